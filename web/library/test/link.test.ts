import { describe, expect, it } from "vitest";

import { Link } from "../src/link";

/** A worker that takes messages and answers when the test says so. */
function worker() {
  const sent: { id: number; request: string }[] = [];
  const made = {
    onmessage: null as unknown as (event: object) => void,
    onerror: null as unknown as (event: object) => void,
    postMessage: (message: { id: number; request: string }) => void sent.push(message),
    terminate: () => undefined,
  };
  return { made, sent, link: new Link<string, string>(made as unknown as Worker) };
}

describe("a link to a worker", () => {
  it("gives each request its own reply", async () => {
    const { made, sent, link } = worker();
    const [one, other] = [link.ask("one"), link.ask("other")];
    for (const { id, request } of [...sent].reverse()) made.onmessage({ data: { id, reply: `${request}!` } });
    expect(await Promise.all([one, other])).toEqual(["one!", "other!"]);
  });

  it.each([
    ["boom", "a worker failed: boom"],
    ["", "a worker failed: it did not start"],
  ])("lets nobody wait for a worker that fails (%j)", async (message, text) => {
    const { made, link } = worker();
    const [one, other] = [link.ask("one"), link.ask("other")].map((asked) => asked.catch((error: Error) => error.message));
    made.onerror({ message });
    expect(await Promise.all([one, other])).toEqual([text, text]);
    await expect(link.ask("later")).rejects.toThrow(text);
  });

  it("says why it was closed", async () => {
    const { link } = worker();
    const asked = link.ask("one");
    link.close("enough");
    await expect(asked).rejects.toThrow("enough");
  });
});
