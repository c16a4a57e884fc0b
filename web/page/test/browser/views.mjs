// Before and after: the divider and the loupe, by keys, mouse and finger; screens of all kinds.
import { enlarge, job, look, open, seen, shot } from "./session.mjs";

export async function keysAndMouse() {
  const page = await open(job.served);
  await enlarge(page, job.picture);
  const slider = page.locator("#slider");
  const shots = [];
  await slider.focus();
  for (const key of ["Home", "End", "ArrowLeft"]) {
    await page.keyboard.press(key);
    shots.push([await slider.inputValue(), await shot(page)]);
  }
  seen.slider = shots.map(([value]) => value);
  seen.sliderPaints = shots[0][1] !== shots[1][1];
  const box = await page.locator("#view").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 4, y);
  await page.mouse.up();
  seen.dragged = Number(await slider.inputValue());
  await loupe(page, x, y);
  await page.context().close();
}

/** The pointer carries the loupe, arrow keys move it, L takes it away. */
async function loupe(page, x, y) {
  const without = await shot(page);
  await page.check("#loupe");
  await page.mouse.move(x, y);
  const there = await shot(page);
  await look(page, "loupe");
  await page.mouse.move(x + 60, y);
  const elsewhere = await shot(page);
  await page.focus("#view");
  await page.keyboard.press("ArrowDown");
  const byKey = await shot(page);
  await page.keyboard.press("l");
  await page.evaluate(() => document.activeElement.blur()); // the mark of focus would be on the picture
  const gone = await shot(page);
  seen.loupe = {
    differ: new Set([without, there, elsewhere, byKey]).size === 4,
    gone: gone === without,
    checked: await page.isChecked("#loupe"),
  };
}

/** A finger drags the divider, and with the loupe on, the loupe. */
export async function touch() {
  const page = await open(job.served, { viewport: { width: 360, height: 760 }, hasTouch: true, isMobile: true });
  await enlarge(page, job.picture);
  const box = await page.locator("#view").boundingBox();
  const client = await page.context().newCDPSession(page);
  const finger = (type, x) => {
    const points = type === "touchEnd" ? [] : [{ x: box.x + x * box.width, y: box.y + box.height / 2 }];
    return client.send("Input.dispatchTouchEvent", { type, touchPoints: points });
  };
  const slide = async (from, to) => {
    await finger("touchStart", from);
    await finger("touchMove", to);
    await finger("touchEnd");
    return [Number(await page.locator("#slider").inputValue()), await shot(page)];
  };
  const touchAction = () => page.evaluate(() => getComputedStyle(document.getElementById("view")).touchAction);
  const actions = [await touchAction()];
  const [dragged, without] = await slide(0.5, 0.3);
  await page.check("#loupe");
  actions.push(await touchAction());
  const [kept, there] = await slide(0.4, 0.5);
  const [, elsewhere] = await slide(0.4, 0.7);
  seen.touch = { dragged, kept, actions, loupe: new Set([without, there, elsewhere]).size === 3 };
  await page.context().close();
}

export async function screens() {
  for (const [name, width] of [["wide", 1200], ["narrow", 360]])
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(job.served, { viewport: { width, height: 760 }, colorScheme, hasTouch: true, reducedMotion: "reduce" });
      await enlarge(page, [job.picture, job.picture]);
      await page.selectOption("#zoom", "1");
      await shot(page);
      await look(page, `${name}-${colorScheme}`);
      seen[`${name}Overflows`] = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      await page.context().close();
    }
}
