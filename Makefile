# One command a task, each from a fresh clone: what it needs is installed first (scripts/install.sh).
# npm and apt run on the machine's own Node; everything after them on the Node of node_modules.

.DEFAULT_GOAL := help
.PHONY: help build check test test-full test-cluster demo image lint format bench bench-inner bench-curves soak clean install docs install-host
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory --no-builtin-rules

# Two test files at once: most of them wait, some of them measure.
TEST_FLAGS := --conditions=source --test --test-reporter=spec --test-concurrency=2
TESTS := 'packages/*/src/**/*.test.ts' 'test/**/*.test.ts' 'bench/**/*.test.ts' 'scripts/**/*.test.ts'
ON_NODE := PATH="$(CURDIR)/node_modules/.bin:$$PATH"

help: ## print this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

build: install ## compile all packages, and put the agent together in few files
	@$(ON_NODE) tsc -b
	@$(ON_NODE) node scripts/bundle/build.ts

lint: build ## rules of the code and of its imports (.oxlintrc.jsonc)
	@$(ON_NODE) oxlint --type-aware

format: install ## lay out all files (.oxfmtrc.json)
	@$(ON_NODE) oxfmt .

# Types, layout, rules: what `test` checks before it runs anything.
check: lint
	@$(ON_NODE) oxfmt --check . >/dev/null || { $(ON_NODE) oxfmt --list-different . ; echo "understudy: the files above are not laid out; run: make format" >&2; exit 1; }

test: install-host check ## everything that must pass before a commit
	@$(ON_NODE) node $(TEST_FLAGS) --test-timeout=120000 $(TESTS)

test-full: install-host check ## the same and the long ones (*.fulltest.ts)
	@$(ON_NODE) TEST_FULL=1 node $(TEST_FLAGS) --test-timeout=1800000 $(TESTS) 'test/**/*.fulltest.ts'

test-cluster: install-host install ## the cluster commands against a real Kubernetes API server, which it builds (Go 1.25; minutes at first)
	@cd test/cluster/apiserver && go build -p 2 -trimpath -ldflags='-s -w' -o ../../../dist/test-cluster/apiserver .
	@$(ON_NODE) node $(TEST_FLAGS) --test-timeout=600000 'test/cluster/*.clustertest.ts'

demo: install-host build ## see it work on this machine
	@bin/understudy demo

image: build ## make the container image, dist/image/*.oci.tar; ARCH=arm64 or amd64 for another processor
	@$(ON_NODE) node scripts/image/build.ts $(if $(ARCH),--arch $(ARCH))

bench: install-host build ## measure the agent in pods; ARGS=--help says how, bench/README.md what it means
	@$(ON_NODE) node --conditions=source bench/agent/run.ts $(ARGS)

bench-inner: install build ## measure hot inner pieces; bench/compare BASE compares them with a commit
	@$(ON_NODE) node --conditions=source bench/inner/run.ts $(ARGS)

bench-curves: install-host build ## measure how cost grows, and draw it (docs/cost)
	@$(ON_NODE) node --conditions=source bench/curves/run.ts --out docs/cost $(ARGS)

soak: install-host build ## everything at once for MINUTES=30, then look for what is left (docs/soak)
	@mkdir -p docs/soak
	@$(ON_NODE) node --conditions=source test/soak/run.ts --minutes $(or $(MINUTES),30) --out docs/soak

docs: install ## make the site of docs/, dist/docs
	@$(ON_NODE) vitepress build docs

clean: ## remove what the build made, not node_modules
	@rm -rf dist packages/*/dist examples/dist bench/dist test/dist scripts/*/dist

install:
	@scripts/install.sh

install-host:
	@scripts/install.sh --host
