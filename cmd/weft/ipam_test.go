package main

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/lease"
)

// podHost is the state and run directory of a node with pods, and the flags that name them.
type podHost struct {
	state, run string
	book       *ipam.Book
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newPodHost(t *testing.T) *podHost {
	t.Helper()
	h := &podHost{state: t.TempDir(), run: t.TempDir()}
	boot, err := lease.BootID()
	noError(t, err)
	h.book, err = ipam.Open(h.state, ipam.Options{BootID: boot, Now: func() time.Time { return time.Unix(1_700_000_000, 0) }, Uptime: func() time.Duration { return time.Hour }})
	noError(t, err)
	return h
}

var podSubnets = []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24"), netip.MustParsePrefix("fd10:244:0:1::/64")}

func (h *podHost) lease(t *testing.T) {
	t.Helper()
	noError(t, lease.Write(h.run, lease.Lease{Node: "vm-1", Subnets: podSubnets, Device: "weft0", MTU: 1440, StateDir: h.state}))
}

// pod gives a pod addresses. Its host end may be any interface.
func (h *podHost) pod(t *testing.T, container, hostEnd string) {
	t.Helper()
	_, _, err := h.book.Reserve(t.Context(), ipam.Request{Key: ipam.Key{Container: container, IfName: "eth0"}, Network: "weft",
		Pod: ipam.Pod{Namespace: "shop", Name: "cart"}, NetNS: "/run/netns/x", HostEnd: hostEnd, Subnets: podSubnets})
	noError(t, err)
}

// weft runs a command of 'weft ipam' on this host, with the lease's state directory.
func (h *podHost) weft(t *testing.T, args ...string) (code int, out, said string) {
	t.Helper()
	var stdout bytes.Buffer
	code, said = weft(t, &stdout, append(append([]string{"ipam"}, args...), "--run-dir", h.run)...)
	return code, stdout.String(), said
}

func TestIPAMShowPrintsSubnetsAndPods(t *testing.T) {
	h := newPodHost(t)
	h.lease(t)
	if code, out, said := h.weft(t, "show"); code != 0 || !strings.Contains(out, "no pod has an address") || !strings.Contains(out, "10.244.1.0/24      10.244.1.1       253") {
		t.Errorf("without a book: %d %s %s", code, out, said)
	}
	h.pod(t, "3f2a91c04d77e000", "lo")
	code, out, said := h.weft(t, "show")
	for _, want := range []string{"fd10:244:0:1::/64  fd10:244:0:1::1  more than 10^15  1     0", "shop/cart  3f2a91c04d77e  eth0       10.244.1.2 fd10:244:0:1::2  held"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("%d %s lacks %q:\n%s", code, said, want, out)
		}
	}
}

// Scripts read this: a change of it breaks them.
func TestIPAMShowPrintsTheJSONThatItAlwaysDid(t *testing.T) {
	h := newPodHost(t)
	h.lease(t)
	h.pod(t, "3f2a91c04d77e000", "lo")
	boot, err := lease.BootID()
	noError(t, err)
	code, out, said := h.weft(t, "show", "--json")
	want, err := os.ReadFile(filepath.Join("testdata", "ipamshow.json"))
	noError(t, err)
	if got := strings.NewReplacer(h.state, "STATE_DIR", boot, "BOOT").Replace(out); code != 0 || got != string(want) {
		t.Errorf("%d %s\n%s\nwant\n%s", code, said, got, want)
	}
	empty := newPodHost(t)
	code, out, said = empty.weft(t, "show", "--json", "--state-dir", empty.state)
	if code != 0 || !strings.Contains(out, `"subnets": []`) || !strings.Contains(out, `"records": []`) || !strings.Contains(out, `"no_lease": "no lease at `+empty.run) {
		t.Errorf("of nothing: %d %s %s", code, out, said)
	}
}

func TestIPAMCheckNamesEachContradictionAndFails(t *testing.T) {
	h := newPodHost(t)
	h.lease(t)
	h.pod(t, "aaaa", "lo")
	if code, out, said := h.weft(t, "check"); code != 0 || said != "" || !strings.HasSuffix(out, "agrees with this host's interfaces\n") {
		t.Errorf("of a good book: %d %s %s", code, out, said)
	}
	h.pod(t, "bbbb", "wv0123456789a")
	code, out, said := h.weft(t, "check")
	if code != 1 || strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "10.244.1.3 and fd10:244:0:1::3: ") || !strings.HasPrefix(said, "weft: 1 contradiction in "+h.book.Path()) {
		t.Errorf("%d %s %s", code, out, said)
	}
}

func TestIPAMReleaseLeavesAPodThatIsThereAloneUnlessItIsForced(t *testing.T) {
	h := newPodHost(t)
	h.lease(t)
	h.pod(t, "3f2a91c04d77e000", "lo")
	h.pod(t, "bbbb", "wv0123456789a")
	if code, out, said := h.weft(t, "release", "10.244.1.2"); code != 1 || out != "" || !strings.Contains(said, "lo is there") || !strings.Contains(said, "--force") {
		t.Errorf("in use: %d %s %s", code, out, said)
	}
	if code, out, said := h.weft(t, "release", "3f2a91c0", "--force"); code != 0 || !strings.Contains(out, "10.244.1.2 fd10:244:0:1::2 of shop/cart (3f2a91c04d77e000/eth0) released") || !strings.Contains(out, "lo is still there") {
		t.Errorf("forced: %d %s %s", code, out, said)
	}
	if code, out, said := h.weft(t, "release", "fd10:244:0:1::3"); code != 0 || !strings.Contains(out, "another pod can have it in 30s\n") {
		t.Errorf("gone: %d %s %s", code, out, said)
	}
	if code, _, said := h.weft(t, "release", "10.244.1.99"); code != 1 || said != "weft: 10.244.1.99: nobody holds it\n" {
		t.Errorf("of nobody: %d %s", code, said)
	}
}

func TestIPAMSaysInOneLineWhyItCannotRead(t *testing.T) {
	h := newPodHost(t)
	h.lease(t)
	gone := filepath.Join(h.state, "gone")
	for _, sub := range [][]string{{"show"}, {"check"}, {"release", "10.244.1.2"}} {
		code, out, said := h.weft(t, append(sub, "--state-dir", gone)...)
		if code != 2 || out != "" || said != "weft: --state-dir: there is no directory "+gone+"\n" {
			t.Errorf("%v of no directory: %d %s %s", sub, code, out, said)
		}
		code, out, said = h.weft(t, append(sub, "--config", gone)...)
		if code != 2 || out != "" || !strings.Contains(said, gone) || strings.Count(said, "\n") != 1 {
			t.Errorf("%v of no configuration: %d %s %s", sub, code, out, said)
		}
	}
	h.pod(t, "aaaa", "lo")
	noError(t, os.WriteFile(h.book.Path(), []byte(`{"version":7}`), 0o600))
	for _, sub := range [][]string{{"show"}, {"check"}, {"release", "10.244.1.2"}} {
		code, out, said := h.weft(t, sub...)
		if code != 1 || out != "" || strings.Count(said, "\n") != 1 || !strings.Contains(said, h.book.Path()+": it is of version 7") {
			t.Errorf("%v of a damaged book: %d %s %s", sub, code, out, said)
		}
	}
	if code, said := weft(t, io.Discard, "ipam", "release"); code != 2 || !strings.Contains(said, "ADDRESS is missing") {
		t.Errorf("without an argument: %d %s", code, said)
	}
}

func TestIPAMTakesTheStateDirectoryOfTheConfigurationWhereThereIsNoLease(t *testing.T) {
	h := newPodHost(t)
	h.pod(t, "aaaa", "lo")
	file := filepath.Join(t.TempDir(), "weft.yaml")
	noError(t, os.WriteFile(file, []byte("state_dir: "+h.state+"\n"), 0o600))
	code, out, said := h.weft(t, "show", "--config", file)
	if code != 0 || !strings.Contains(out, "10.244.1.2") || !strings.HasPrefix(out, "subnets are not known: no lease at ") {
		t.Errorf("%d %s %s", code, out, said)
	}
}
