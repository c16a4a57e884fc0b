/** The worker that holds the pictures, as functions. */
import { Link } from "../../library/src/link";
import type { Answers, Question } from "./stage.worker";
import StageWorker from "./stage.worker?worker&inline";

export class Stage {
  private readonly link = new Link<Question, Answers[keyof Answers]>(new StageWorker({ name: "stage" }));

  ask<K extends Question["kind"]>(
    question: Extract<Question, { kind: K }>,
    transfer: Transferable[] = [],
  ): Promise<Answers[K]> {
    return this.link.ask(question, transfer) as Promise<Answers[K]>;
  }

  /** Tell the worker what it need not answer. If it failed, whoever waits for an answer hears of it. */
  tell(question: Question, transfer: Transferable[] = []): void {
    this.link.ask(question, transfer).catch(() => undefined);
  }
}
