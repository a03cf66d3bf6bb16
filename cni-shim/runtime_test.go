package cnishim

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"

	"github.com/weftnet/weft/cni-shim/ipam"
)

// withRuntime calls fn with libcni, as runtimes use it, in the node's namespace, and a list of plugins with weft-cni alone.
func (s *site) withRuntime(versions string, fn func(ctx context.Context, cni *libcni.CNIConfig, list *libcni.NetworkConfigList) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	text := fmt.Sprintf(`{%s,"name":"weft","plugins":[{"type":"weft-cni","runDir":%q,"capabilities":{"ips":true}}]}`, versions, s.runDir)
	list, err := libcni.NetworkConfFromBytes([]byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	cni := libcni.NewCNIConfigWithCacheDir([]string{pluginDir}, s.t.TempDir(), nil)
	if err := s.vm.Do(func() error { return fn(ctx, cni, list) }); err != nil {
		s.t.Error(err)
	}
}

func TestARuntimeDoesEveryOperationInEveryVersion(t *testing.T) {
	for versions, want := range map[string]string{
		`"cniVersion":"0.3.1"`:                                 "0.3.1",
		`"cniVersion":"0.4.0"`:                                 "0.4.0",
		`"cniVersion":"1.0.0"`:                                 "1.0.0",
		`"cniVersion":"1.1.0"`:                                 "1.1.0",
		`"cniVersion":"1.0.0","cniVersions":["1.0.0","1.1.0"]`: "1.1.0", // the best that both know
	} {
		t.Run(versions, func(t *testing.T) {
			s := newSite(t)
			n := newSpace(t)
			s.withRuntime(versions, func(ctx context.Context, cni *libcni.CNIConfig, list *libcni.NetworkConfigList) error {
				rt := &libcni.RuntimeConf{ContainerID: "one", NetNS: n.path, IfName: "eth0", Args: [][2]string{{"K8S_POD_NAMESPACE", "default"}, {"K8S_POD_NAME", "web-0"}}}
				result, err := cni.AddNetworkList(ctx, list, rt)
				if err != nil {
					return fmt.Errorf("ADD: %w", err)
				}
				s.inVersion(result, want)
				if err := cni.CheckNetworkList(ctx, list, rt); (err != nil) != (want == "0.3.1") { // which has no CHECK
					return fmt.Errorf("CHECK: %v", err)
				}
				if err := s.statusAndGC(ctx, cni, list, want, types.GCAttachment{ContainerID: "one", IfName: "eth0"}); err != nil {
					return err
				}
				for range 2 {
					if err := cni.DelNetworkList(ctx, list, rt); err != nil {
						return fmt.Errorf("DEL: %w", err)
					}
				}
				return nil
			})
			if left := s.left(); left != "" {
				t.Errorf("left:\n%s", left)
			}
		})
	}
}

// inVersion looks at the result as it is printed.
func (s *site) inVersion(result types.Result, version string) {
	s.t.Helper()
	text, err := json.Marshal(result)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(text), `"cniVersion":"`+version+`"`) || strings.Contains(string(text), `"mtu"`) != (version == "1.1.0") ||
		strings.Contains(string(text), `"version":"4"`) != strings.HasPrefix(version, "0.") {
		s.t.Errorf("in version %s: %s", version, text)
	}
	if records := s.held(); len(records) != 1 || records[0].Pod.String() != "default/web-0" {
		s.t.Errorf("the book has %v", records)
	}
}

// statusAndGC asks for what versions before 1.1 do not have, and expects the pod that stays to stay.
func (s *site) statusAndGC(ctx context.Context, cni *libcni.CNIConfig, list *libcni.NetworkConfigList, version string, stays types.GCAttachment) error {
	if version != "1.1.0" {
		return nil
	}
	if err := cni.GetStatusNetworkList(ctx, list); err != nil {
		return fmt.Errorf("STATUS: %w", err)
	}
	if err := cni.GCNetworkList(ctx, list, &libcni.GCArgs{ValidAttachments: []types.GCAttachment{stays}}); err != nil {
		return fmt.Errorf("GC: %w", err)
	}
	if held := s.held(); len(held) != 1 {
		return fmt.Errorf("after GC the book has %v", held)
	}
	return nil
}

func TestGCRemovesWhatTheRuntimeDoesNotNameAndNothingElse(t *testing.T) {
	s := newSite(t)
	kept, gone, other := s.pod("kept", newSpace(t)), s.pod("gone", newSpace(t)), s.pod("other", newSpace(t)).with("name", "another")
	_, keptAgain := s.addCall(kept)
	s.must(gone)
	_, otherAgain := s.addCall(other)
	s.run("ip link add wv00000000000 type veth peer name orphan; ip link set wv00000000000 master weftbr0")
	s.run("nft add element bridge weft ports '{ wv11111111111 }'")
	gc := kept.as("GC").with("cni.dev/valid-attachments", []map[string]string{{"containerID": "kept", "ifname": "eth0"}})
	for range 2 {
		s.must(gc)
	}
	s.must(keptAgain.as("CHECK"))
	s.must(otherAgain.as("CHECK"))
	left := s.left()
	for _, name := range []string{"gone/", "wv00000000000", "wv11111111111"} {
		if strings.Contains(left, name) {
			t.Errorf("%s is still there:\n%s", name, left)
		}
	}
	s.must(gc.with("cni.dev/valid-attachments", nil).with("cni.dev/valid-attachments", []any{}))
	s.must(gc.with("name", "another").with("cni.dev/valid-attachments", []any{}))
	if left := s.left(); left != "" {
		t.Errorf("left:\n%s", left)
	}
}

// Without a lease nobody knows that the book is not where it usually is.
func TestGCThatFindsNoBookOrAnEmptyOneRemovesNoPodThatLives(t *testing.T) {
	s := newSite(t)
	_, one := s.add("one", newSpace(t))
	_, other := s.addCall(s.pod("other", newSpace(t)).with("name", "another"))
	gc := one.as("GC").with("cni.dev/valid-attachments", []map[string]string{{"containerID": "one", "ifname": "eth0"}})
	empty := t.TempDir()
	s.must(gc.with("stateDir", empty))
	s.must(other.as("CHECK"))
	s.must(one.as("CHECK"))
	_, third := s.addCall(s.pod("third", newSpace(t)).with("stateDir", empty).with("runtimeConfig", map[string]any{"ips": []string{"10.244.1.77", "fd10:244:0:1::77"}}))
	s.must(third.as("DEL"))
	if _, err := os.Stat(filepath.Join(empty, ipam.Folder, ipam.File)); err != nil {
		t.Fatal(err)
	}
	s.must(gc.with("stateDir", empty))
	s.must(one.as("CHECK"))
}

// Whoever removes what a list does not name must not take half a list for a whole one.
func TestGCRemovesNothingByAListThatItCannotRead(t *testing.T) {
	s := newSite(t)
	_, one := s.add("one", newSpace(t))
	for what, list := range map[string]any{
		"a text": "one", "a number": 1, "an object": map[string]any{}, "an element that is none": []any{"one"},
		"an ID of no kind": []any{map[string]any{"containerID": 1, "ifname": "eth0"}}, "no interface": []any{map[string]any{"containerID": "one"}},
	} {
		_, err := s.try(one.as("GC").with("cni.dev/valid-attachments", list))
		if err == nil || err.Code != codeConfig || !strings.Contains(err.Msg, "nothing was removed") {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.must(one.as("CHECK"))
}
