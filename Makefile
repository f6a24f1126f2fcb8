# make          builds ./sesame
# make demo     shows a door open and shut, without root
# make test     does its own set-up on a fresh Debian or Ubuntu, then checks everything
# make help     lists the rest

GO ?= go
# A tree without git history (an archive, a package recipe) is still buildable;
# the wildcard keeps an archive inside of somebody else's repository from
# carrying that one's version.
VERSION ?= $(or $(if $(wildcard .git),$(shell git describe --tags --always --dirty 2>/dev/null)),dev)
# Time for each fuzz target.
FUZZTIME ?= 10s
# Flags of the program that bench runs.
BENCHFLAGS ?=
# Packages with benchmarks, for microbench.
BENCH ?= . ./matcher ./afpacket ./config ./exec
# Packages whose tests run under an emulator that knows no packet sockets.
PURE ?= ./matcher ./config ./afpacket
# Extra flags for the test runs; the CI script sets -v to see skipped tests.
GOTESTFLAGS ?=

# iptables and ufw are not on an ordinary user's PATH in Debian.
export PATH := $(PATH):/usr/sbin:/sbin
# The version comes from here. Asking git once more fails a build where root
# tests a user's repository.
export GOFLAGS := $(strip $(shell $(GO) env GOFLAGS) -buildvcs=false)

AS_ROOT := '$(CURDIR)/tools/as-root.sh'
TOOL := $(GO) tool -modfile=tools/go.mod

.PHONY: build demo test setup lint deps unit fuzz qemu cross e2e vm-test bench microbench clean help

build: ## build ./sesame, static, for this machine, as packaging/cross.sh does
	CGO_ENABLED=0 $(GO) build -trimpath -gcflags=all=-l -gcflags=sesame/matcher= -gcflags=sesame/afpacket= -ldflags '-s -w -X main.version=$(VERSION)' -o sesame .

demo: ## build and run the demo; installs nftables where no firewall tool is found
	@tools/setup.sh demo
	@$(MAKE) --no-print-directory build
	./sesame demo

# One after the other, because the end-to-end tests measure time; cross comes
# before them because it fills the build cache for a test that builds all again.
test: export FUZZTIME = 5s
test: ## do all set-up, then every check
	@begin=$$(date +%s); \
	for step in setup lint unit fuzz qemu cross e2e; do \
		echo "== $$step"; start=$$(date +%s); \
		$(MAKE) --no-print-directory $$step || { echo "== $$step failed"; exit 1; }; \
		echo "== $$step: $$(($$(date +%s) - start)) s"; \
	done; \
	echo "== all: $$(($$(date +%s) - begin)) s"

setup: ## install what the tests need and this machine lacks
	@tools/setup.sh test

lint: deps ## gofmt, vet, staticcheck
	@files=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .); \
	[ -z "$$files" ] || { echo "not formatted, run gofmt -w on:" $$files; exit 1; }
	$(GO) vet -tags vm ./...
	GOARCH=mips GOMIPS=softfloat $(GO) vet ./...
	$(TOOL) staticcheck -tags vm ./...

# Flash on a router is small: each of these packages costs 100 kB or more.
deps: ## check that the daemon links nothing it must not
	@bad=$$($(GO) list -deps . | grep -xE 'net|log|log/slog|flag|os/exec|encoding/json|regexp|text/template'); \
	[ -z "$$bad" ] || { echo "the daemon must not link:" $$bad "('go list -deps .' names the importers with -f)"; exit 1; }
	@bad=$$($(GO) list -f '{{.ImportPath}}{{range .Imports}} {{.}}{{end}}' $$($(GO) list -deps . | grep -E '^sesame(/|$$)') | grep -wE 'fmt|reflect|bufio' | cut -d' ' -f1); \
	[ -z "$$bad" ] || { echo "fmt, reflect and bufio cost a tenth of the flash that there is; do without in:" $$bad; exit 1; }
	@bad=$$($(GO) list -deps -f '{{with .Module}}{{.Path}}{{end}}' . | sort -u | grep -vxE 'sesame|golang.org/x/(net|sys)|'); \
	[ -z "$$bad" ] || { echo "the daemon must not link modules:" $$bad; exit 1; }

# The tests of sockets and namespaces need root; only the compiled tests get
# it, so that the build cache stays the user's own.
unit: ## the packages' tests with the race detector
	CGO_ENABLED=1 $(GO) test -race -count=1 $(GOTESTFLAGS) -exec $(AS_ROOT) $$($(GO) list ./... | grep -v '/e2e')

e2e: ## the end-to-end tests, in network namespaces and an image build
	CGO_ENABLED=1 $(GO) test -race -count=1 -p 1 -timeout 20m $(GOTESTFLAGS) -exec $(AS_ROOT) ./e2e/...

# VM_LINKS=vlan,pppoe tests these kinds alone.
vm-test: ## knocks through links that need a kernel of their own, in an emulator; not part of test
	@tools/setup.sh vm
	$(GO) test -tags vm -count=1 -timeout 15m -v -run TestLinks ./e2e/vm

fuzz: ## every fuzz target for FUZZTIME
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' tools/fuzz.sh

qemu: ## the pure packages' tests on an emulated big-endian 32-bit MIPS
	@GO='$(GO)' tools/qemu.sh $(PURE)

cross: ## build every target, the client too, into dist/ and judge the sizes
	GO='$(GO)' VERSION='$(VERSION)' NEED_XZ=1 packaging/cross.sh dist
	GO='$(GO)' VERSION='$(VERSION)' packaging/client.sh dist

bench: ## sesame, knockd and nftables side by side: writes docs/benchmarks.md and README's table, in 20 minutes; BENCHFLAGS=-quick for a look
	@tools/setup.sh bench
	@$(MAKE) --no-print-directory build
	$(GO) run -exec $(AS_ROOT) ./bench -sesame ./sesame -readme README.md $(BENCHFLAGS)

microbench: ## benchmarks of the packages; compare two outputs with: go tool -modfile=tools/go.mod benchstat OLD NEW
	$(GO) test -run '^$$' -bench . -benchmem $(BENCH)

clean: ## remove what was built
	rm -rf dist sesame

help: ## this list
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r name text; do \
		printf '%-12s %s\n' "$$name" "$$text"; done
