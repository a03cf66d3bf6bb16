package lab

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// testLab makes a lab that is closed with the test, or skips with the reason why there can be none.
func testLab(t *testing.T, o Options) *Lab {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	l, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		assertGone(t, l.ID())
	})
	return l
}

// testHosts adds hosts to a lab.
func testHosts(t *testing.T, l *Lab, names ...string) []*Host {
	t.Helper()
	var hosts []*Host
	for _, name := range names {
		h, err := l.Host(name)
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// assertGone fails if anything of a run is left.
func assertGone(t *testing.T, id string) {
	t.Helper()
	names, err := namesOf(id)
	if err != nil || len(names) > 0 {
		t.Errorf("namespaces left: %v, %v", names, err)
	}
	if _, err := os.Stat(registry{Directory}.runDir(id)); err == nil {
		t.Errorf("the directory of run %s is left", id)
	}
}

// soon is a context for what takes milliseconds on an idle machine.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// pings reports whether one echo is answered within a second.
func pings(t *testing.T, from *Namespace, to netip.Addr) bool {
	t.Helper()
	_, err := from.Run(soon(t), "ping", "-n", "-c1", "-W1", to.String())
	if err != nil && !isExit(err) {
		t.Fatal(err)
	}
	return err == nil
}

func isExit(err error) bool {
	_, ok := err.(*ExitError)
	return ok
}

func TestHostsReachEachOtherOverBothFamilies(t *testing.T) {
	l := testLab(t, Options{})
	for _, from := range testHosts(t, l, "a", "b", "c") {
		for _, to := range l.Hosts() {
			for _, addr := range to.Addrs() {
				if !pings(t, from.Namespace, addr) {
					t.Errorf("%s does not reach %s at %s", from.Name(), to.Name(), addr)
				}
			}
		}
	}
}

func TestProcessSeesItsHostsName(t *testing.T) {
	l := testLab(t, Options{})
	h := testHosts(t, l, "vm-1")[0]
	out, err := h.Run(soon(t), "uname", "-n")
	if err != nil || strings.TrimSpace(out) != "vm-1" {
		t.Errorf("hostname = %q, %v; want vm-1", out, err)
	}
}
