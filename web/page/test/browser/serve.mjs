// A server for a folder, on this machine alone.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".png": "image/png" };

/** Serve a folder with these headers. Returns the server and its address. */
export async function serve(folder, headers = {}) {
  const server = createServer(async ({ url }, response) => {
    const { pathname } = new URL(url, "http://localhost");
    const name = pathname.endsWith("/") ? `${pathname}index.html` : pathname;
    const content = await readFile(folder + name).catch(() => null);
    const type = TYPES[extname(name)] ?? "application/octet-stream";
    response.writeHead(content ? 200 : 404, { "content-type": type, ...headers });
    response.end(content);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, address: `http://127.0.0.1:${server.address().port}/` };
}
