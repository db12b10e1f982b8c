# allod. `make` alone lists what can be asked for.

GO          ?= go
# The Go releases that are supported; the go command downloads what is not here.
RELEASES    := go1.26.8 go1.27.3
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Everything in this list must build and vet; what can run here, runs.
PLATFORMS   := darwin/arm64 windows/amd64 freebsd/amd64 linux/arm64 linux/386 js/wasm wasip1/wasm
# Adapters to other people's libraries: make clients runs the tests of these.
CLIENTS     := contrib/arrow contrib/grpcmem contrib/moderncmemory/clients contrib/swiss contrib/wazero
# What is tested with all RELEASES and vetted for all PLATFORMS: ours, not what it
# adapts.
PORTABLE    := . cmd/allod
MODULES     := $(PORTABLE) bench contrib/hiddenpointer contrib/httparena contrib/prometheus contrib/otel contrib/pagetest contrib/moderncmemory $(CLIENTS)
# What staticcheck looks at: it would look at all that the clients are made of, too.
CHECKED     := $(filter-out $(CLIENTS),$(MODULES))
PKGS        := ./...
ROOMS       := ./mem/... ./heap/... ./testing/...
HOLDERS     := $(ROOMS) ./generic/...
# All but the containers, whose tests are as long to compile, and to analyse, as
# all others: the builds that change nothing in them do without.
BELOW       := . ./docs/... ./examples/... ./internal/... $(ROOMS)
# Two builds at a time: one package takes longer than all others together. Makes
# that would mix what they print have one.
TWO         := $(if $(filter output-sync,$(.FEATURES)),-j2 --output-sync=target)
CHECKPTR    := github.com/allod-dev/allod/...=-d=checkptr -dwarf=false
# What clients are made of is compiled without optimization: that saves minutes, most of
# them of SQLite, and nobody waits for what the tests do with it.
FOREIGN     := $(foreach p,$(addprefix github.com/,apache andybalholm goccy klauspost pierrec) modernc.org,"-gcflags=$p/...=-N -l -dwarf=false")
# Tests of what vet and platforms vet in the same build.
VETTED      := test -vet=off
HAVE_CC     := [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v $$($(GO) env CC) >/dev/null

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Tests are run here, not debugged: DWARF is an eighth of what they are to compile.
test: export GOFLAGS += -gcflags=github.com/allod-dev/allod/...=-dwarf=false
.PHONY: test
test: ## all that CI checks: vet, staticcheck, tests in every build, other platforms
	@$(GO) version
	@$(MAKE) --no-print-directory fmt vet staticcheck
	@$(MAKE) --no-print-directory $(TWO) test-plain test-invariants test-race test-nocgo test-386 test-pure test-releases
	@$(MAKE) --no-print-directory test-modules platforms
	@echo "make test: everything passed"

# An older gofmt cannot read generic methods: files named for go1.27 are left out.
.PHONY: fmt
fmt: ## gofmt
	@bad=$$(find . -name '*.go' ! -name '*_go127*.go' -exec "$$($(GO) env GOROOT)/bin/gofmt" -l {} +); test -z "$$bad" || { echo "gofmt these files:"; echo "$$bad"; exit 1; }

.PHONY: vet
vet: ## go vet, in every build
	$(GO) vet $(PKGS)
	$(GO) vet -tags invariants $(PKGS)
	$(GO) vet -tags purego $(PKGS)

.PHONY: staticcheck
staticcheck: ## staticcheck at the pinned version
	@for m in $(CHECKED); do echo "$$m: staticcheck"; (cd $$m && $(GO) run $(STATICCHECK) ./...) || exit 1; done
	$(GO) run $(STATICCHECK) -tags invariants $(BELOW)

.PHONY: test-plain
test-plain: ## the tests as they are
	$(GO) $(VETTED) $(PKGS)

# One build has all checks that there are of what we do: our own, those of pointer
# conversions, and, of every store of a pointer, whether C or the collector could
# miss it. The race detector brings the first two with it: containers are checked
# so once, where it runs.
.PHONY: test-invariants
test-invariants: ## the tests with every internal check on, checkptr, and cgocheck2 (needs cgo)
	@if $(HAVE_CC); then p="$(BELOW)"; x=GOEXPERIMENT=cgocheck2; else p="$(PKGS)"; x=; echo "SKIPPED: GOEXPERIMENT=cgocheck2: no C compiler here"; fi; \
		echo $$x $(GO) $(VETTED) -tags invariants "'-gcflags=$(CHECKPTR)'" $$p; env $$x $(GO) $(VETTED) -tags invariants "-gcflags=$(CHECKPTR)" $$p

.PHONY: test-race
test-race: ## the tests under the race detector (needs cgo)
	@if $(HAVE_CC); then \
		echo $(GO) test -race $(PKGS); $(GO) test -race $(PKGS); \
	else echo "SKIPPED: go test -race: no C compiler here"; fi

.PHONY: test-nocgo
test-nocgo: ## the tests without cgo
	CGO_ENABLED=0 $(GO) $(VETTED) -short $(BELOW)

# purego leaves out linknames, too: the rooms are tested so.
.PHONY: test-pure
test-pure: ## the tests without linknames, and without the runtime's type descriptors as well
	$(GO) test -short -tags allod_nolinkname ./internal/... ./mem/...
	$(GO) $(VETTED) -short -tags purego ./internal/... ./mem/... ./heap/...

.PHONY: test-releases
test-releases: ## the tests with the supported Go releases other than this one
	@for r in $(RELEASES); do case "$$($(GO) env GOVERSION)" in $${r%.*}*) continue;; esac; \
		if ! GOTOOLCHAIN=$$r $(GO) version >/dev/null 2>&1; then echo "SKIPPED: $$r: it is not here and cannot be downloaded"; continue; fi; \
		for m in $(PORTABLE); do echo "$$m: GOTOOLCHAIN=$$r $(GO) test -short ./..."; (cd $$m && GOTOOLCHAIN=$$r $(GO) test -short ./...) || exit 1; done; done

.PHONY: test-386
test-386: ## the tests on 32 bits, where this machine runs them
	@if CGO_ENABLED=0 GOARCH=386 $(GO) run ./internal/tools/true 2>/dev/null; then \
		echo CGO_ENABLED=0 GOARCH=386 $(GO) $(VETTED) $(PKGS); CGO_ENABLED=0 GOARCH=386 $(GO) $(VETTED) $(PKGS) || exit 1; \
		echo "cmd/allod: CGO_ENABLED=0 GOARCH=386 $(GO) $(VETTED) -short ./..."; \
		cd cmd/allod && CGO_ENABLED=0 GOARCH=386 $(GO) $(VETTED) -short ./...; \
	else echo "SKIPPED: GOARCH=386: this machine cannot run 32-bit programs; vetting only"; \
		CGO_ENABLED=0 GOARCH=386 $(GO) vet $(PKGS); fi

.PHONY: test-modules
test-modules: ## vet and test of the modules beside the core
	@for b in chromium chromium-browser google-chrome chrome; do command -v $$b >/dev/null && exit 0; done; \
		echo "SKIPPED: contrib/pagetest: there is no chromium here"
	@for m in $(filter-out .,$(MODULES)); do if [ -f $$m/go.mod ]; then \
		echo "$$m: go vet, go test"; (cd $$m && $(GO) vet $(FOREIGN) ./... && $(GO) $(VETTED) $(FOREIGN) ./...) || exit 1; fi; done
	@if $(HAVE_CC); then echo "cmd/allod: go test -race -short ./internal/..."; (cd cmd/allod && $(GO) test -race -short ./internal/...); fi

# go vet has Go's own tree compiled for its types: that takes two thirds of the time
# without optimization, save where test-386 has compiled it already.
.PHONY: platforms
platforms: ## go vet on every platform that must build
	@for m in $(PORTABLE); do for p in $(PLATFORMS); do echo "$$m: CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go vet ./..."; \
		case $$p in linux/386) flags=;; *) flags='all=-N -l -dwarf=false';; esac; \
		(cd $$m && CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet $${flags:+"-gcflags=$$flags"} ./...) || exit 1; done; done

.PHONY: clients
clients: ## real work of the clients, and their own tests, on allod (many minutes)
	@for m in $(CLIENTS); do echo "$$m: its tests, and the client's own"; \
		(cd $$m && ALLOD_CLIENTS=1 $(GO) test -count=1 -timeout 60m -v ./...) || exit 1; done

.PHONY: demo
demo: ## the main job: a full-text index over Go's own source, on and off the Go heap
	@cd cmd/allod && $(GO) run . demo

# What the targets below add to: -impl, -workload, -count and more; see bench/README.md.
BENCHFLAGS ?=
.PHONY: bench
bench: ## allod beside what Go, C and Zig programs use: tables, and bench/out/bench.html
	@cd bench && $(GO) run . $(BENCHFLAGS)

.PHONY: bench-full
bench-full: ## the same at length, for hours
	@cd bench && $(GO) run . -count 10 -budget 500ms -untouched $(BENCHFLAGS)

.PHONY: bench-compare
bench-compare: ## figures of allod and of new on standard output, for benchstat
	@cd bench && $(GO) run . -compare -count 10 -impl 'smp.*|pool|arena.*|page|new' $(BENCHFLAGS)

.PHONY: bench-generic
bench-generic: ## containers beside those of Go, of libraries and of Zig
	@cd bench && $(GO) run . -containers $(BENCHFLAGS)

SOAKTIME ?= 30m
.PHONY: bench-soak
bench-soak: ## SMPs at work for SOAKTIME, pages failing: verified, and level in memory
	@cd bench && $(GO) run . -soak $(SOAKTIME)

.PHONY: bench-rooms
bench-rooms: ## the benchmarks of every room, each beside the plain Go way
	$(GO) test -run '^$$' -bench . -benchtime 200ms $(HOLDERS)

.PHONY: cover
cover: ## statement coverage of mem and heap
	$(GO) test -timeout 30m -coverpkg=./mem,./heap -coverprofile=coverage.out ./mem ./heap ./testing/...
	@$(GO) tool cover -func=coverage.out | tail -1

FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME each
	@for p in $$($(GO) list $(HOLDERS)); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
		echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$p || exit 1; done; done
