// The arguments and the help of `understudy dns` and `understudy dns serve`.

import { type Command, Option } from "commander";
import { addAgentOptions, type AgentOptions } from "../../agent/agentChoice.ts";
import { argument } from "../../arguments.ts";
import type { CommandContext } from "../../context.ts";
import type { HostPort } from "../../hostPort.ts";
import { parseListenAddress } from "../../proxy/listenPort.ts";
import type { LookupType } from "./lookUpNames.ts";

export function addDnsCommand(program: Command, { output, exitWith }: CommandContext): void {
  const dns = addAgentOptions(program.command("dns"))
    .summary("look up names as the target does")
    .description("Looks up names as the target does, with its resolver, its hosts file and its search domains; of an address, its name.")
    .argument("<name...>", "names, or addresses")
    .addOption(
      new Option("--type <type>", "what to ask for; default: all addresses of a name, the name of an address").choices([
        "a",
        "aaaa",
        "ptr",
      ]),
    )
    .option("--json", "print one JSON object a name")
    .addHelpText("after", dnsHelp)
    .action(async (names: readonly string[], { type, json, ...agent }: AgentOptions & { type?: LookupType; json?: boolean }) => {
      const { lookUpNames } = await import("./lookUpNames.ts");
      exitWith(await lookUpNames({ ...agent, names, type: type ?? null, json: json === true }, output));
    });

  addAgentOptions(dns.command("serve"))
    .summary("a name server on this machine that answers as the target's does")
    .description("Serves DNS on this machine, by UDP and TCP, and asks as the target does.")
    .addOption(listenOption)
    .option("--json", "print one JSON object a query")
    .addHelpText("after", serveHelp)
    .action(async (_: unknown, command: Command) => {
      // What both commands have is found by the outer one, wherever it stands.
      const { listen, json, ...agent } = command.optsWithGlobals<AgentOptions & { listen: HostPort; json?: boolean }>();
      const { serveDns } = await import("./serveDns.ts");
      exitWith(await serveDns({ ...agent, at: listen, json: json === true }, output));
    });
}

const listenOption = new Option("--listen <host:port>", "where to listen")
  .argParser(argument(parseListenAddress))
  .default({ host: "127.0.0.1", port: 5353 }, "127.0.0.1:5353");

const dnsHelp = `
One line is printed for each address, or the name of an address.

Exit codes:
  0    every name was found
  1    one was not, or the agent cannot be reached
  2    wrong arguments
  130  interrupted

Examples:
  understudy dns payments database.internal --agent 127.0.0.1:61337
  understudy dns payments --type aaaa --agent 127.0.0.1:61337 --json
  understudy dns 10.96.0.10 --agent 127.0.0.1:61337
  understudy dns serve --agent 127.0.0.1:61337`;

const serveHelp = `
A, AAAA and PTR of the class IN are answered; the protocol of agents has no other types, which get NOTIMP. Search domains of the target are applied, so
short names work. Of an address without a name, agents tell no reason: that is NXDOMAIN. Answers are good for 5 seconds. Ctrl-C ends it.

Exit codes:
  0  ended by Ctrl-C or SIGTERM
  1  the agent cannot be reached or refuses, or the port is in use
  2  wrong arguments

Examples:
  understudy dns serve --agent 127.0.0.1:61337
  dig @127.0.0.1 -p 5353 payments
  understudy dns serve --listen 127.0.0.1:53 --agent 127.0.0.1:61337 --json`;
