# make build   bin/weft
# make demo    three virtual hosts of this machine become one network (needs root: asks sudo)
# make bench   overlays side by side on this machine; BENCH=--quick or --full, OUT=where the report goes (needs root)
# make test    all tests; those in network namespaces run as root only: sudo env PATH="$PATH" make test
# make lint    gofmt, go vet, staticcheck
# make fuzz    every fuzz target for FUZZTIME
# make clean   remove what was built

GO       ?= go
FUZZTIME ?= 10s
BENCH    ?=
OUT      ?= weft-bench
SUDO     := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS  := -X github.com/weftnet/weft/node/version.version=$(VERSION)

# The version comes from git describe; go's own stamp fails where git mistrusts the owner of the clone.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

.DEFAULT_GOAL := build
.PHONY: build setup demo bench test lint fuzz clean
.NOTPARALLEL:

build:
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/weft ./cmd/weft

setup:
	@scripts/setup.sh

demo: setup build
	@$(SUDO) bin/weft demo

bench: setup build
	@$(SUDO) bin/weft bench --out '$(OUT)' $(BENCH)

# Tests that miss a package or root say so and are skipped; so a machine where nothing can be installed still tests the rest.
test:
	@scripts/setup.sh --try
	$(GO) test -count=1 -timeout 9m ./...

lint:
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "gofmt would change:" $$files >&2; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fuzz:
	@GO='$(GO)' scripts/fuzz.sh $(FUZZTIME)

clean:
	rm -rf bin dist coverage.txt
