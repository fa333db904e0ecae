// The arguments and the help of `understudy config check`.

import type { Command } from "commander";
import type { CommandContext } from "../../context.ts";

export function addConfigCommand(program: Command, { output, exitWith }: CommandContext): void {
  const config = program
    .command("config")
    .summary("look at the config file")
    .description("The config file understudy.yaml: which agent, and defaults of commands.")
    .helpCommand(false);
  config
    .command("check")
    .summary("say what is wrong in a config file")
    .description("Reads a config file and says, with line and column, everything that is wrong in it.")
    .argument("[file]", "the config file; the next understudy.yaml from the working directory upwards without it")
    .option("--json", "print what the file says as JSON")
    .addHelpText("after", checkHelp)
    .action(async (file: string | undefined, { json }: { json?: boolean }) => {
      const { checkConfig } = await import("./checkConfig.ts");
      exitWith(await checkConfig({ file, json: json === true }, output));
    });
}

const checkHelp = `
A config file:

  # yaml-language-server: $schema=PATH/understudy.schema.json
  agent:                     # one of address, pod, deployment, netns, pid, docker
    deployment: shop
    namespace: staging       # also context, image, ephemeral
  steal:                     # what steal does when it is given no ports
    ports: [80:3000, 9090]
    to: localhost
    header: "^x-user: me$"   # also path, method, any-of
  mirror:
    ports: [8081]
  forward:
    - 5432:database:5432

Its schema for editors is packages/cli/schema/understudy.schema.json. Options of the command line win over the file.

Exit codes:
  0  nothing is wrong
  2  the file is wrong, cannot be read, or there is none

Examples:
  understudy config check
  understudy config check shop/understudy.yaml --json | jq .agent`;
