// Request heads that two servers may read in two ways. None may ever be interpreted: the answer is always "ambiguous".

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { RequestHead } from "./head.ts";

const POST = "POST / HTTP/1.1\r\nHost: a\r\n";
const GET = "GET / HTTP/1.1\r\nHost: a\r\n";
const CL = "Content-Length: 5\r\n";
const TE = "Transfer-Encoding: chunked\r\n";

const groups: Readonly<Record<string, readonly string[]>> = {
  "content-length and transfer-encoding": [
    `${POST}${CL}${TE}\r\n`,
    `${POST}${TE}${CL}\r\n`,
    `${POST}${TE}Content-Length: 0\r\n\r\n`,
    `${POST}${CL}X: y\r\n${TE}\r\n`,
    `${POST}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`,
  ],
  "content-length": [
    `${POST}${CL}Content-Length: 6\r\n\r\n`,
    `${POST}${CL}${CL}\r\n`,
    `${POST}${CL}content-length: 0\r\n\r\n`,
    ...["5, 5", "5,6", "+5", "-5", "0x5", "", "5 5", "5.0", "5e0", "05", "00", "five", "5;", "\x0b5", "5\x0c", "5a", "'5'"].map(
      (value) => `${POST}Content-Length: ${value}\r\n\r\n`,
    ),
    `${POST}Content-Length: 9007199254740993\r\n\r\n`,
    `${POST}Content-Length: 18446744073709551621\r\n\r\n`,
    `${POST}Content-Length: \xb2\r\n\r\n`,
    `${POST}Content_Length: 5\r\n\r\n`,
  ],
  "transfer-encoding": [
    ...[
      "gzip, chunked",
      "chunked, gzip",
      "chunked, chunked",
      "chunked, identity",
      "identity",
      "gzip",
      "xchunked",
      "chunkedx",
      "chunke",
      '"chunked"',
      "chunked;q=1",
      "chunked,",
      ",chunked",
      "",
      "\x0bchunked",
      "chunked\x0b",
      "chunked\0",
      "chun\tked",
      "x\tchunked",
      "\x85chunked",
    ].map((value) => `${POST}Transfer-Encoding: ${value}\r\n\r\n`),
    `${POST}${TE}${TE}\r\n`,
    `${POST}${TE}Transfer-Encoding: identity\r\n\r\n`,
    `${POST}Transfer-Encoding: identity\r\n${TE}\r\n`,
    `${POST}Transfer_Encoding: chunked\r\n\r\n`,
    `POST / HTTP/1.0\r\nHost: a\r\n${TE}\r\n`,
    `POST / HTTP/1.0\r\nConnection: keep-alive\r\n${TE}\r\n`,
  ],
  "folding and white space": [
    `${POST}X: a\r\n b\r\n\r\n`,
    `${POST}X: a\r\n\tb\r\n\r\n`,
    `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n`,
    `${POST}Content-Length:\r\n 5\r\n\r\n`,
    `POST / HTTP/1.1\r\n ${CL}\r\n`,
    `POST / HTTP/1.1\r\n\t${TE}\r\n`,
    `${POST}Content-Length : 5\r\n\r\n`,
    `${POST}Transfer-Encoding : chunked\r\n\r\n`,
    `${POST}Transfer-Encoding\t: chunked\r\n\r\n`,
    `${POST}Transfer Encoding: chunked\r\n\r\n`,
    `${POST}X: a\r\n \r\n\r\n`,
  ],
  "line ends": [
    `POST / HTTP/1.1\nHost: a\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: a\n\r\n`,
    `POST / HTTP/1.1\r\nHost: a\r\n\n`,
    `POST / HTTP/1.1\nHost: a\n\n`,
    `${POST}X: a\n${TE}\r\n`,
    `${POST}X: a\r${TE}\r\n`,
    `${POST}X: a\r\r\n${TE}\r\n`,
    `${POST}\n${TE}\r\n`,
    `${POST}\r${TE}\r\n`,
    `POST / HTTP/1.1\rHost: a\r\n\r\n`,
    `POST / HTTP/1.1\r\r\nHost: a\r\n\r\n`,
    `${POST}X\n: a\r\n\r\n`,
    `\nGET / HTTP/1.1\r\n\r\n`,
  ],
  "names and values": [
    `${POST}: a\r\n\r\n`,
    `${POST}X\r\n\r\n`,
    `${POST}X y: a\r\n\r\n`,
    `${POST}X(y): a\r\n\r\n`,
    `${POST}X\0: a\r\n\r\n`,
    `${POST}\0Transfer-Encoding: chunked\r\n\r\n`,
    `${POST}\xefX: a\r\n\r\n`,
    `${POST}Transfer-Encodin\xe7: chunked\r\n\r\n`,
    `${POST}"Content-Length": 5\r\n\r\n`,
    `${POST}X: a\0b\r\n\r\n`,
    `${POST}X: a\x7fb\r\n\r\n`,
    `${POST}X: a\x1bb\r\n\r\n`,
    `${POST}X: a\x08b\r\n\r\n`,
  ],
  host: [
    `${GET}Host: a\r\n\r\n`,
    `${GET}Host: b\r\n\r\n`,
    `${GET}host: b\r\n\r\n`,
    "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://b HTTP/1.1\r\nHost:\r\n\r\n",
  ],
  "request line": [
    " GET / HTTP/1.1\r\n\r\n",
    "\tGET / HTTP/1.1\r\n\r\n",
    "\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "GET  / HTTP/1.1\r\n\r\n",
    "GET /  HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1 \r\n\r\n",
    "GET\t/ HTTP/1.1\r\n\r\n",
    "GET /a b HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.2\r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "GET / HTTP/0.9\r\n\r\n",
    "GET / HTTP/1.10\r\n\r\n",
    "GET / HTTP/01.1\r\n\r\n",
    "GET / http/1.1\r\n\r\n",
    "GET / HTTP/1,1\r\n\r\n",
    "GET /\r\n\r\n",
    "GET\r\n\r\n",
    "G{T / HTTP/1.1\r\n\r\n",
    "G\0T / HTTP/1.1\r\n\r\n",
    "GET /\0 HTTP/1.1\r\n\r\n",
    "GET /\x7f HTTP/1.1\r\n\r\n",
    "GET /# HTTP/1.1\r\n\r\n",
    "GET /< HTTP/1.1\r\n\r\n",
    "GET /\xff HTTP/1.1\r\n\r\n",
    "GET a HTTP/1.1\r\n\r\n",
    "GET ?x HTTP/1.1\r\n\r\n",
    "GET a:80 HTTP/1.1\r\n\r\n",
    "CONNECT / HTTP/1.1\r\n\r\n",
    "CONNECT http://a/ HTTP/1.1\r\n\r\n",
    `CONNECT a:80 HTTP/1.1\r\n${CL}\r\n`,
    `CONNECT a:80 HTTP/1.1\r\n${TE}\r\n`,
  ],
};

for (const [name, heads] of Object.entries(groups)) {
  suite(`ambiguous: ${name}`, () => {
    for (const text of heads) {
      test(JSON.stringify(text), () => {
        const bytes = Buffer.from(text, "latin1");
        const head = new RequestHead();
        assert.equal(head.scan(bytes, 0, bytes.length), "ambiguous");
        assert.notEqual(head.reason, "");
      });
    }
  });
}
