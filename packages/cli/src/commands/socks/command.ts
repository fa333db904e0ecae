// The arguments and the help of `understudy socks`.

import type { Command } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import { argument } from "../../arguments.ts";
import type { CommandContext } from "../../context.ts";
import { parseListenPort } from "../../proxy/listenPort.ts";
import type { Credentials } from "./socksHandshake.ts";

interface SocksOptions extends AgentOptions {
  readonly listen: string;
  readonly user?: Credentials;
  readonly json?: boolean;
}

export function addSocksCommand(program: Command, { output, exitWith }: CommandContext): void {
  addAgentOptions(program.command("socks"))
    .summary("a SOCKS proxy into the target's network")
    .description(
      "Serves SOCKS version 5 on this machine; connections and datagrams are made by the agent, names looked up as the target does.",
    )
    .argument("[port]", "port of this machine, 0 for any that is free", argument(parseListenPort), 1080)
    .option("--listen <address>", "address of this machine to listen at", "127.0.0.1")
    .option("--user <name:password>", "let in only who gives these", argument(parseCredentials))
    .option("--json", "print one JSON object a connection")
    .addHelpText("after", socksHelp)
    .action(async (port: number, { listen, user, json, ...agent }: SocksOptions) => {
      const { socks } = await import("./socks.ts");
      exitWith(await socks({ ...agent, at: { host: listen, port }, credentials: user ?? null, json: json === true }, output));
    });
}

/** RFC 1929 has a byte for each length. */
function parseCredentials(text: string): Credentials {
  const colon = text.indexOf(":");
  const [name, password] = [text.slice(0, colon), text.slice(colon + 1)];
  const isFit = (part: string): boolean => part !== "" && Buffer.byteLength(part) <= 255;
  if (colon < 0 || !isFit(name) || !isFit(password)) throw new Error("It must be NAME:PASSWORD, each of 1 to 255 bytes.");
  return { name, password };
}

const socksHelp = `
Everybody who can connect to the port reaches what the target reaches: without --listen that is this machine alone. Give programs names, not
addresses, to look up (socks5h://, --socks5-hostname), or they ask this machine's resolver. CONNECT and UDP ASSOCIATE are served, BIND is refused.
When the connection to the agent breaks, open connections end and new ones wait for the next session. Ctrl-C ends it.

Exit codes:
  0  ended by Ctrl-C or SIGTERM
  1  the agent cannot be reached or refuses, or the port is in use
  2  wrong arguments

Examples:
  understudy socks --agent 127.0.0.1:61337
  curl --socks5-hostname 127.0.0.1:1080 http://payments/health
  ALL_PROXY=socks5h://127.0.0.1:1080 curl http://payments/health
  understudy socks 0 --user me:secret --agent 127.0.0.1:61337 --json`;
