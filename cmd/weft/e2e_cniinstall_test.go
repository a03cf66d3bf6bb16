package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weftnet/weft/cni-shim/install"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

// cniPrelude gives a shell the directories of a container runtime that has no configuration, empty at first, and plugins to install.
const cniPrelude = prelude + `for d in opt cni; do mkdir -p %[1]s/weft/$d; done
mount -t tmpfs none /opt
mkdir /opt/cni
mount --bind %[1]s/weft/opt /opt/cni
mkdir -p /etc/cni
mount --bind %[1]s/weft/cni /etc/cni
for d in /etc/containerd /var/lib/rancher; do [ ! -d $d ] || mount -t tmpfs none $d; done
`

// plugin says which versions of CNI it speaks, and nothing else.
const plugin = "#!/bin/sh\necho '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.4.0\",\"1.0.0\"]}'\n"

// runtimeHost is a host with a runtime's directories.
type runtimeHost struct {
	*lab.Host
	t     *testing.T
	begin string
}

func newRuntimeHost(t *testing.T) *runtimeHost {
	needRoot(t)
	h := labtest.Host(t, labtest.Lab(interrupted, t, lab.Options{}), "vm-1")
	programs := filepath.Dir(labtest.Weft(t))
	if err := os.MkdirAll(filepath.Join(programs, "cni"), 0o755); err != nil { // where 'make build' has them
		t.Fatal(err)
	}
	for _, name := range install.Plugins {
		if err := os.WriteFile(filepath.Join(programs, "cni", name), []byte(plugin), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &runtimeHost{h, t, fmt.Sprintf(cniPrelude, h.Dir(), programs)}
}

func (h *runtimeHost) file(path string) string {
	return filepath.Join(h.Dir(), "weft", strings.NewReplacer("/opt/cni", "opt", "/etc/cni", "cni").Replace(path))
}

func (h *runtimeHost) has(path string) bool {
	_, err := os.Lstat(h.file(path))
	return err == nil
}

// fails runs a command that must fail in one line that says all of want.
func (h *runtimeHost) fails(script string, want ...string) {
	h.t.Helper()
	out, err := h.RunCommand(within(h.t, patience), lab.Command{Args: []string{"unshare", "--mount", "bash", "-c", h.begin + script + " 2>&1"}})
	if err == nil {
		h.t.Errorf("%s succeeded: %s", script, out)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			h.t.Errorf("%s says %q, and not %q", script, out, w)
		}
	}
}

const theList = "/etc/cni/net.d/" + install.ListFile

func TestThePluginIsInstalledOnceTheNodeIsReadyKeptAndTakenAway(t *testing.T) {
	t.Parallel()
	h := newRuntimeHost(t)
	h.fails("weft cni install", "nothing is installed", "systemctl status weft")
	h.fails("weft cni status", "there is no "+theList, "no lease", "remedy: weft cni install --wait")
	if h.has("/opt/cni/bin") || h.has("/etc/cni/net.d") {
		t.Error("something was installed before the node was ready")
	}
	runScript(t, h.Host, "/", h.begin+"weft init --bootstrap >/dev/null")
	keeper, err := h.StartCommand(lab.Command{Args: []string{"unshare", "--mount", "bash", "-c", h.begin + "exec weft cni install --keep"}})
	if err != nil {
		t.Fatal(err)
	}
	start(t, h.Host, "/", h.begin+"exec weft up\n")
	await(t, func() (bool, string) { return h.has(theList), "the keeper has not installed the list" })
	h.fails("weft cni uninstall", "weft cni install --keep", "systemctl stop weft-cni")
	if err := os.Remove(h.file(theList)); err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) { return h.has(theList), "the keeper has not put the list back" })
	if err := keeper.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := keeper.Wait(within(t, patience)); err != nil {
		t.Errorf("the keeper: %v", err)
	}
	said, _ := keeper.Stderr()
	for _, event := range []string{"cni.waiting", "cni.keeping", "cni.installed", "cni.restored"} {
		if !strings.Contains(said, "msg="+event+" ") {
			t.Errorf("the keeper has not logged %s:\n%s", event, said)
		}
	}
	runScript(t, h.Host, "/", h.begin+"weft cni uninstall")
	if h.has("/opt/cni/bin") || h.has(theList) {
		t.Error("something is left")
	}
}

func TestTheCommandsOfTheK3sPageWork(t *testing.T) {
	t.Parallel()
	h := newRuntimeHost(t)
	list := blocks(t, "docs/k3s.md")
	if len(list) != 3 {
		t.Fatalf("%d runnable blocks in docs/k3s.md, want 3", len(list))
	}
	runScript(t, h.Host, "/", h.begin+"weft init --bootstrap >/dev/null")
	start(t, h.Host, "/", h.begin+"exec weft up\n")
	installed := []bool{true, true, false}
	for i, b := range list {
		t.Logf("%s%s", b.script, runScript(t, h.Host, "/", h.begin+b.script))
		if h.has(theList) != installed[i] || h.has("/opt/cni/bin/weft-cni") != installed[i] {
			t.Errorf("after %s the plugin should be there: %t", b.script, installed[i])
		}
	}
}

func TestNothingIsUninstalledWhileAPodHasAnAddress(t *testing.T) {
	h := newPodHost(t)
	h.lease(t)
	h.pod(t, "3f2a91c04d77e000", "lo")
	flags := []string{"cni", "uninstall", "--state-dir", h.state, "--run-dir", h.run}
	code, said := weft(t, io.Discard, flags...)
	if code != 1 || strings.Count(said, "\n") != 1 || !strings.Contains(said, "kubectl drain") {
		t.Errorf("%d, %q", code, said)
	}
	if code, said := weft(t, io.Discard, append(flags, "--force")...); code != 0 {
		t.Errorf("--force: %d, %q", code, said)
	}
}
