# make build   bin/weft, and bin/cni with the CNI plugin and three that come with it
# make cni     the plugins alone: those of containernetworking are fetched the first time
# make image   bin/weft-VERSION-ARCH.tar, an OCI image (of this machine, or ARCH=arm64), and bin/weft-VERSION.yaml, which runs it on Kubernetes
# make man     bin/man: a man page for each command
# make demo    three virtual hosts of this machine become one network (needs root: asks sudo)
# make bench   overlays side by side on this machine; BENCH=--quick or --full, OUT=where the report goes (needs root)
# make test    all tests; those in network namespaces run as root only: sudo env PATH="$PATH" make test
# make soak    the long runs of what 'make test' runs briefly: clusters of 100 nodes through hours of virtual time, and real daemons whose paths are cut (needs root)
# make test-k8s    weft below a real Kubernetes, built from its modules the first time: some minutes, and much longer then (needs root)
# make lint    gofmt, go vet, staticcheck
# make fuzz    every fuzz target: an hour in all, or FUZZTIME=10s or FUZZTIME=2000x for each
# make install    what 'make build' made, with the systemd service: PREFIX=/usr/local, DESTDIR= for an image (needs root)
# make uninstall  remove that again; configuration and keys stay
# make packages   dist/weft_VERSION_ARCH.deb and .rpm
# make clean   remove what was built

GO       ?= go
FUZZTIME ?=
BENCH    ?=
OUT      ?= weft-bench
SUDO     := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PREFIX   ?= /usr/local
DESTDIR  ?=
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS  := -X github.com/weftnet/weft/node/version.version=$(VERSION)

# The version comes from git describe; go's own stamp fails where git mistrusts the owner of the clone.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

# The date of man pages and packages: that of the commit, so that they are the same whenever they are made.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)
export SOURCE_DATE_EPOCH

.DEFAULT_GOAL := build
.PHONY: build cni image man setup demo bench test soak test-k8s lint fuzz install uninstall packages clean
.NOTPARALLEL:

build: cni
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/weft ./cmd/weft

# What image and cni are made for; packages are of this machine.
ARCH     = $(shell $(GO) env GOARCH)
HOSTARCH = $(shell $(GO) env GOHOSTARCH)

# Exactly this version, and no dependency of weft's. It is built where the module is: go install takes no GOBIN for another machine.
CNI_VERSION := v1.9.1
CNI_MODULE  := github.com/containernetworking/plugins
CNI_PLUGINS := main/loopback meta/portmap meta/bandwidth
CNI         ?= bin/cni$(if $(filter-out $(HOSTARCH),$(ARCH)),-$(ARCH))

cni:
	GOARCH='$(ARCH)' CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o '$(CNI)/weft-cni' ./cmd/weft-cni
	module=$$($(GO) mod download -json $(CNI_MODULE)@$(CNI_VERSION)) || { echo "$$module" >&2; exit 1; }; \
	module=$$(echo "$$module" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p') && \
	GOARCH='$(ARCH)' CGO_ENABLED=0 $(GO) build -C "$$module" -trimpath -ldflags '-s -w -X $(CNI_MODULE)/pkg/utils/buildversion.BuildVersion=$(CNI_VERSION)' \
		-o '$(abspath $(CNI))/' $(addprefix ./plugins/,$(CNI_PLUGINS))

# Static programs and nothing else; the same bytes for the same commit and the same Go. With ARCH=arm64 for a Raspberry Pi.
IMAGE      ?= localhost/weft:$(or $(VERSION),unknown)
IMAGE_FILE ?= bin/weft-$(or $(VERSION),unknown)-$(ARCH).tar
MANIFEST   ?= bin/weft-$(or $(VERSION),unknown).yaml

STATIC     ?= bin/static/$(ARCH)/weft

image: cni
	GOARCH='$(ARCH)' CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w $(LDFLAGS)' -o '$(STATIC)' ./cmd/weft
	GOARCH= $(GO) run ./deploy/image --out '$(IMAGE_FILE)' --arch '$(ARCH)' --name '$(IMAGE)' --version '$(VERSION)' --revision '$(shell git rev-parse HEAD 2>/dev/null)' \
		'/usr/bin/weft=$(STATIC)' $(foreach p,weft-cni $(notdir $(CNI_PLUGINS)),'/usr/lib/weft/cni/$(p)=$(CNI)/$(p)')
	sed 's|localhost/weft:VERSION|$(IMAGE)|' deploy/k3s/weft.yaml >'$(MANIFEST)'

man: build
	rm -rf bin/man
	mkdir -p bin/man
	bin/weft man bin/man

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

soak:
	WEFT_SOAK=1 $(GO) test -count=1 -v -run Soak -timeout 60m ./...

test-k8s:
	@scripts/setup.sh --k8s
	dir=$$(GO='$(GO)' lab/k8s/binaries/build.sh) && WEFT_K8S="$$dir" $(GO) test -count=1 -v -timeout 15m ./lab/k8s

lint:
	@files=$$(gofmt -l .); [ -z "$$files" ] || { echo "gofmt would change:" $$files >&2; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fuzz:
	@GO='$(GO)' scripts/fuzz.sh $(FUZZTIME)

# Units and .network files below /usr/local are found; of NetworkManager's only those in /usr and /etc are.
WEFT        ?= bin/weft
BINDIR      := $(DESTDIR)$(PREFIX)/bin
UNITDIR     := $(DESTDIR)$(PREFIX)/lib/systemd/system
NETWORKDIR  := $(DESTDIR)$(PREFIX)/lib/systemd/network
NMDIR       := $(DESTDIR)$(if $(filter /usr,$(PREFIX)),/usr/lib,/etc)/NetworkManager/conf.d
MANDIR      := $(DESTDIR)$(PREFIX)/share/man/man8
BASHDIR     := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR      := $(DESTDIR)$(PREFIX)/share/zsh/$(if $(filter deb,$(FORMAT)),vendor-completions,site-functions)
FISHDIR     := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
DOCDIR      := $(DESTDIR)$(PREFIX)/share/doc/weft
CNIDIR      := $(DESTDIR)$(PREFIX)/lib/weft/cni
CNI_FILES   := weft-cni $(notdir $(CNI_PLUGINS))

INSTALLED := $(wildcard $(UNITDIR)/weft.service)

# Not built here: whoever installs is root, and need not have Go.
install:
	@[ -x '$(WEFT)' ] || { echo "there is no $(WEFT): run 'make build' first, as yourself" >&2; exit 1; }
	@'$(WEFT)' version >/dev/null 2>&1 || { echo "$(WEFT) does not run here, and writes its own man pages: install, or make packages, on a machine that it is built for" >&2; exit 1; }
	@[ -x '$(CNI)/weft-cni' ] || { echo "there is no $(CNI)/weft-cni: run 'make build' first, as yourself" >&2; exit 1; }
	install -d '$(CNIDIR)' '$(BINDIR)' '$(UNITDIR)' '$(NETWORKDIR)' '$(NMDIR)' '$(MANDIR)' '$(BASHDIR)' '$(ZSHDIR)' '$(FISHDIR)' '$(DOCDIR)'
	install -m 755 '$(WEFT)' '$(BINDIR)/weft'
	sed 's|/usr/bin/weft|$(PREFIX)/bin/weft|' deploy/systemd/weft.service >'$(UNITDIR)/weft.service'
	sed 's|/usr/bin/weft|$(PREFIX)/bin/weft|' deploy/systemd/weft-cni.service >'$(UNITDIR)/weft-cni.service'
	chmod 644 '$(UNITDIR)/weft.service' '$(UNITDIR)/weft-cni.service'
	install -m 755 $(patsubst %,'$(CNI)/%',$(CNI_FILES)) '$(CNIDIR)'
	install -m 644 deploy/networkd/10-weft.network '$(NETWORKDIR)/10-weft.network'
	install -m 644 deploy/networkmanager/90-weft.conf '$(NMDIR)/90-weft.conf'
	install -m 644 LICENSE '$(DOCDIR)/copyright'
	'$(WEFT)' man '$(MANDIR)'
	'$(WEFT)' completion bash >'$(BASHDIR)/weft'
	'$(WEFT)' completion zsh >'$(ZSHDIR)/_weft'
	'$(WEFT)' completion fish >'$(FISHDIR)/weft.fish'
	@[ -n '$(DESTDIR)' ] || deploy/package/postinstall.sh configure '$(INSTALLED)'

# The packages' own scripts: the service is stopped and disabled, 'weft down' removes what it set up.
uninstall:
	@[ -n '$(DESTDIR)' ] || PATH='$(BINDIR)':"$$PATH" deploy/package/preremove.sh remove
	rm -f '$(BINDIR)/weft' '$(UNITDIR)/weft.service' '$(UNITDIR)/weft-cni.service' '$(NETWORKDIR)/10-weft.network' '$(NMDIR)/90-weft.conf'
	rm -f '$(MANDIR)'/weft.8 '$(MANDIR)'/weft-*.8 '$(BASHDIR)/weft' '$(ZSHDIR)/_weft' '$(FISHDIR)/weft.fish'
	rm -rf '$(DOCDIR)' '$(CNIDIR)'
	@[ -n '$(DESTDIR)' ] || { deploy/package/postremove.sh remove; echo 'kept: /etc/weft (configuration, secret) and /var/lib/weft (keys)'; }

# Exactly this version, and no dependency of weft's.
NFPM := $(GO) run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0
# A package's version begins with a digit and grows: v1.2.3-4-gabc is 1.2.3+4.gabc, later than 1.2.3. Before the first tag it is
# the time of the commit.
BEFORE_TAGS = 0~$(shell git log -1 --date=format:%Y%m%d.%H%M%S --format=%cd 2>/dev/null)
PACKAGE_VERSION = $(shell echo '$(VERSION)' | sed -E 's/^v([0-9])/\1/; t tagged; s/^/$(BEFORE_TAGS)./; : tagged; s/-([0-9]+)-g/+\1.g/; s/-dirty$$/.dirty/; s/\.$$//')

DIST    ?= dist
FORMATS ?= deb rpm

packages: build
	$(if $(filter-out $(HOSTARCH),$(ARCH)),$(error packages are of this machine ($(HOSTARCH)), not $(ARCH): make them on such a machine))
	for format in $(FORMATS); do \
		rm -rf '$(DIST)/root' && \
		$(MAKE) --no-print-directory install FORMAT=$$format PREFIX=/usr DESTDIR='$(DIST)/root' && \
		ROOT='$(DIST)/root' VERSION='$(PACKAGE_VERSION)' ARCH='$(ARCH)' $(NFPM) package --config deploy/package/nfpm.yaml --packager $$format --target '$(DIST)' || exit 1; \
	done
	rm -rf '$(DIST)/root'

clean:
	rm -rf bin dist coverage.txt
