// The site that `make docs` makes of the pages in this folder. A link to a page that is not there fails the build.

import { defineConfig } from "vitepress";

export default defineConfig({
  title: "understudy",
  description: "A mirrord agent in TypeScript, with a command line and a library of its own",
  outDir: "../dist/docs",
  cacheDir: "../dist/docs-cache",
  // The pages are read in the repository, too, where links lead to files beside this folder.
  ignoreDeadLinks: [/^(\.\/)?\.\.\//],
  themeConfig: {
    search: { provider: "local" },
    sidebar: [
      {
        text: "Use it",
        items: [
          { text: "Getting started", link: "/start" },
          { text: "Commands", link: "/commands" },
          { text: "The library", link: "/library" },
          { text: "Troubleshooting", link: "/troubleshooting" },
          { text: "What is different elsewhere", link: "/comparison" },
        ],
      },
      {
        text: "Run it",
        items: [
          { text: "Operations", link: "/operations" },
          { text: "Security", link: "/security" },
          { text: "Performance", link: "/performance" },
        ],
      },
      {
        text: "Understand it",
        items: [
          { text: "Architecture", link: "/architecture" },
          { text: "The wire", link: "/wire" },
        ],
      },
    ],
  },
});
