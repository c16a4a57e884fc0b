/** The camera. Its pictures stay on the page. */

/** Ask the person for a camera, in a size that a page can enlarge while it runs. */
export async function startCamera(): Promise<MediaStream> {
  const WIDTH = 640;
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDTH } }, audio: false });
  } catch (error) {
    const refused = error instanceof DOMException && error.name === "NotAllowedError";
    throw new Error(refused ? "The camera was not allowed; allow it in the browser's settings of this page." : "No camera was found.");
  }
}
