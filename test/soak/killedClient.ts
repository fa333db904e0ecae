// A client of the soak that is killed in the middle of everything: it says when it has begun, and would never end by itself.

import { argv, stdout } from "node:process";
import { connectAgent } from "@understudy/client";
import { targetBigFile } from "../pod/pod.ts";
import { targetPorts } from "../pod/ports.ts";
import { answerAs, wantedBy } from "../pod/stealing.ts";

const session = await connectAgent({ host: argv[2] ?? "", port: Number(argv[3]) });
await session.steal(targetPorts.http, { filter: wantedBy("killed"), onRequest: answerAs("killed") });
await session.mirror(targetPorts.otherHttp, {});
(await session.connectTcp({ ip: "127.0.0.1", port: targetPorts.source })).resume();
const fd = await session.files.requests.open(targetBigFile);
stdout.write("begun\n");
for (;;) await session.files.requests.readLimited(fd, 1024 * 1024, 0);
