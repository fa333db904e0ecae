// The page for who follows a share link whose session is over. It says so and leads on, without the key.

import { CLEARING_COOKIE } from "./sharedRequest.ts";

const SECONDS = 5;

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Headers and body of the answer, whose status is 200. */
export function endedLinkResponse(continueTo: string): {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
} {
  const body = endedPage(continueTo);
  return {
    headers: [
      ["content-type", "text/html; charset=utf-8"],
      ["cache-control", "no-store"],
      ["set-cookie", CLEARING_COOKIE],
      ["content-length", String(body.length)],
    ],
    body,
  };
}

/** The page as HTML in UTF-8. `continueTo`: path and query of the same server. */
export function endedPage(continueTo: string): Uint8Array {
  const url = continueTo.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
  return Buffer.from(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="${SECONDS};url=${url}">
<title>mirrord session ended</title>
</head>
<body>
<h1>Session ended</h1>
<p>The session that this link belongs to is over. In ${SECONDS} seconds you are taken to the ordinary page:
<a id="on" href="${url}">go there now</a>.</p>
<script>setTimeout(() => location.replace(document.getElementById("on").href), ${SECONDS * 1000});</script>
</body>
</html>
`);
}
