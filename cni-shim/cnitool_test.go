package cnishim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/types/create"
)

// cnitool is the command of the specification's authors at a node: it reads the network from a directory, and every call is a process of its own.
type cnitool struct {
	s                *site
	confDir, dataDir string
	wanted           string // the address that pods ask for by the capability "ips"
}

// newCnitool writes a list of plugins with weft-cni alone; keys are more of weft-cni's configuration, each with a comma in front.
func newCnitool(s *site, versions, keys string) *cnitool {
	s.t.Helper()
	if err := buildCnitool(); err != nil {
		s.t.Skip(err)
	}
	c := &cnitool{s: s, confDir: s.t.TempDir(), dataDir: s.t.TempDir(), wanted: "10.244.1.77"}
	text := fmt.Sprintf(`{%s,"name":"weft","plugins":[{"type":"weft-cni","runDir":%q,"capabilities":{"ips":true}%s}]}`, versions, s.runDir, keys)
	if err := os.WriteFile(filepath.Join(c.confDir, "10-weft.conflist"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// buildCnitool puts cnitool beside the plugin, in the version that go.mod names.
var buildCnitool = sync.OnceValue(func() error {
	cmd := exec.Command("go", "build", "-o", filepath.Join(pluginDir, "cnitool"), "github.com/containernetworking/cni/cnitool")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cnitool cannot be built: %w: %s", err, out)
	}
	return nil
})

// run does an operation on a namespace and returns what cnitool prints; an error has cnitool's exit code and its standard error. cnitool keeps
// results in /var/lib/cni and cannot be told otherwise: its processes see dataDir for /var/lib.
func (c *cnitool) run(operation string, n *space) (string, error) {
	c.s.t.Helper()
	ctx, cancel := context.WithTimeout(c.s.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", `mount --bind "$0" /var/lib && exec "$@"`, c.dataDir, filepath.Join(pluginDir, "cnitool"), operation, "weft", n.path)
	cmd.Env = append(os.Environ(), "CNI_PATH="+pluginDir, "NETCONFPATH="+c.confDir, "CNI_IFNAME=eth0",
		"CNI_ARGS=K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0", fmt.Sprintf(`CAP_ARGS={"ips":["%s/24"]}`, c.wanted))
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := c.s.vm.Do(cmd.Run); err != nil {
		return out.String(), fmt.Errorf("cnitool %s: %w: %s", operation, err, strings.TrimSpace(stderr.String()))
	}
	return out.String(), nil
}

// must does operations, each of which has to succeed and print nothing.
func (c *cnitool) must(n *space, operations ...string) {
	c.s.t.Helper()
	for _, operation := range operations {
		if out, err := c.run(operation, n); err != nil || out != "" {
			c.s.t.Fatalf("%s: %v, and prints %q", operation, err, out)
		}
	}
}

// add adds the pod and returns the result as it is printed.
func (c *cnitool) add(n *space) types.Result {
	c.s.t.Helper()
	out, err := c.run("add", n)
	if err != nil {
		c.s.t.Fatal(err)
	}
	result, err := create.CreateFromBytes([]byte(out))
	if err != nil {
		c.s.t.Fatalf("result %s: %v", out, err)
	}
	return result
}

func TestCnitoolDoesEveryOperationInEveryVersion(t *testing.T) {
	for versions, want := range map[string]string{
		`"cniVersion":"0.4.0"`:                                 "0.4.0",
		`"cniVersion":"1.0.0"`:                                 "1.0.0",
		`"cniVersion":"1.1.0"`:                                 "1.1.0",
		`"cniVersion":"1.0.0","cniVersions":["1.0.0","1.1.0"]`: "1.1.0",
	} {
		t.Run(versions, func(t *testing.T) {
			s, n := newSite(t), newSpace(t)
			c := newCnitool(s, versions, "")
			result := c.add(n)
			s.inVersion(result, want)
			c.hasWanted(result, n)
			c.must(n, "check")
			if want == "1.1.0" {
				c.statusWithoutLease(n)
			}
			n.run(t, "ip addr flush dev eth0")
			c.refuses("check", n, c.wanted)
			c.must(n, "del", "del")
			if left := s.left(); left != "" {
				t.Errorf("left:\n%s", left)
			}
		})
	}
}

// hasWanted looks for the address of CAP_ARGS in the result and in the pod.
func (c *cnitool) hasWanted(result types.Result, n *space) {
	c.s.t.Helper()
	r, err := types100.NewResultFromResult(result)
	if err != nil {
		c.s.t.Fatal(err)
	}
	if !slices.ContainsFunc(r.IPs, func(ip *types100.IPConfig) bool { return ip.Address.IP.String() == c.wanted }) {
		c.s.t.Errorf("the result has %v, not %s", r.IPs, c.wanted)
	}
	if addresses := n.run(c.s.t, "ip -4 -br addr show dev eth0"); !strings.Contains(addresses, c.wanted+"/") {
		c.s.t.Errorf("the pod has %s, not %s", addresses, c.wanted)
	}
}

// statusWithoutLease asks for the status with the lease, and with the lease gone for as long as one call.
func (c *cnitool) statusWithoutLease(n *space) {
	c.s.t.Helper()
	c.must(n, "status")
	if err := os.Rename(c.s.runDir, c.s.runDir+".away"); err != nil {
		c.s.t.Fatal(err)
	}
	c.refuses("status", n, "lease")
	if err := os.Rename(c.s.runDir+".away", c.s.runDir); err != nil {
		c.s.t.Fatal(err)
	}
	c.must(n, "status")
}

// refuses does an operation that has to fail, with the code that cnitool has for that and words in its message.
func (c *cnitool) refuses(operation string, n *space, words string) {
	c.s.t.Helper()
	out, err := c.run(operation, n)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(err.Error(), words) || out != "" {
		c.s.t.Errorf("%s: %v, and prints %q; want exit code 1 and %q", operation, err, out, words)
	}
}

// cnitool's gc removes by DEL what it knows itself, and calls the plugin without the list that the specification asks for: that is refused.
func TestCnitoolsGCRemovesWhatItKnowsAndNothingElse(t *testing.T) {
	s, n := newSite(t), newSpace(t)
	c := newCnitool(s, `"cniVersion":"1.1.0"`, "")
	_, other := s.add("other", newSpace(t))
	c.add(n)
	c.refuses("gc", n, validKey)
	if held := s.held(); len(held) != 1 || held[0].Key.Container != "other" {
		t.Errorf("after gc the book has %v", held)
	}
	s.must(other.as("CHECK"))
}

// cnitool prints a plugin's message without its code, so the code is looked at in the plugin's own answer to the same configuration.
func TestCnitoolSaysWhatIsWrongWithTheConfiguration(t *testing.T) {
	s, n := newSite(t), newSpace(t)
	_, err := s.try(s.pod("one", n).with("ipMasq", true))
	if err == nil || err.Code != codeConfig || !strings.Contains(err.Msg, `key "ipMasq"`) {
		t.Fatalf("the plugin says %v", err)
	}
	c := newCnitool(s, `"cniVersion":"1.1.0"`, `,"ipMasq":true`)
	for _, operation := range []string{"add", "status"} {
		c.refuses(operation, n, err.Msg)
	}
	if left := s.left(); left != "" {
		t.Errorf("left:\n%s", left)
	}
}
