package cnishim

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/weftnet/weft/cni-shim/lease"
)

// What the configuration says where it is silent.
const (
	defaultRunDir   = "/run/weft"
	defaultStateDir = "/var/lib/weft"
	defaultBridge   = "weftbr0"
)

// config is the network configuration. The keys of the first group are the user's, the others the runtime's.
type config struct {
	RunDir     string `json:"runDir"`     // where the lease and the daemon's socket are
	StateDir   string `json:"stateDir"`   // where the address book is; empty: as the lease says
	Bridge     string `json:"bridge"`     // what pods are plugged into
	MTU        int    `json:"mtu"`        // bytes; 0: as the lease says
	Hairpin    bool   `json:"hairpin"`    // frames may leave by the port that they came in by; silent: true
	GSOMaxSize int    `json:"gsoMaxSize"` // bytes; 0: as the lease says

	CNIVersion string         `json:"cniVersion"`
	Name       string         `json:"name"`
	DNS        types.DNS      `json:"dns"`
	PrevResult map[string]any `json:"prevResult"`
	Runtime    runtimeConfig  `json:"runtimeConfig"`
}

// known are the other keys that runtimes and configuration lists have, and that mean nothing here.
var known = []string{
	"type", "cniVersions", "capabilities", "args", "disableCheck", "disableGC", "loadOnlyInlinedPlugins", "plugins",
}

// cniDevPrefix begins the keys that the specification keeps for itself.
const cniDevPrefix = "cni.dev/"

// own are the keys of config.
var own = []string{
	"runDir", "stateDir", "bridge", "mtu", "hairpin", "gsoMaxSize",
	"cniVersion", "name", "dns", "prevResult", "runtimeConfig",
}

// parse reads a configuration strictly: an unknown key, a value of the wrong kind or one that cannot be is an error that names the key.
func parse(data []byte) (*config, error) {
	keys, err := keysOf(data)
	if err != nil {
		return nil, fail(codeDecode, "the network configuration is no JSON object: %v", err)
	}
	if _, given := keys["ipam"]; given {
		return nil, fail(codeConfig, "key \"ipam\": weft gives addresses itself: remove it from the network configuration")
	}
	for _, key := range sorted(keys) {
		if !slices.Contains(own, key) && !slices.Contains(known, key) && !strings.HasPrefix(key, cniDevPrefix) {
			return nil, fail(codeConfig, "key %q of the network configuration is unknown: weft-cni knows %s", key, strings.Join(own[:6], ", "))
		}
	}
	c, wrong := decode(keys)
	if wrong != nil {
		return nil, wrong
	}
	c.complete()
	return c, c.validate()
}

// parseLoosely reads what can be read of a configuration, and takes the rest as not said: what an earlier build or another hand wrote must
// not keep a pod from being removed.
func parseLoosely(data []byte) *config {
	keys, err := keysOf(data)
	if err != nil {
		keys = nil
	}
	c, _ := decode(keys)
	for value, ok := range map[*string]bool{
		&c.RunDir: filepath.IsAbs(c.RunDir), &c.StateDir: filepath.IsAbs(c.StateDir), &c.Bridge: isName(c.Bridge),
	} {
		if !ok {
			*value = ""
		}
	}
	c.complete()
	return c
}

func keysOf(data []byte) (map[string]json.RawMessage, error) {
	var keys map[string]json.RawMessage
	err := json.Unmarshal(data, &keys)
	return keys, err
}

func sorted(keys map[string]json.RawMessage) []string {
	names := make([]string, 0, len(keys))
	for k := range keys {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// decode reads the keys one by one, each exactly as it is written, and returns the first error.
func decode(keys map[string]json.RawMessage) (*config, error) {
	c := &config{Hairpin: true}
	var first error
	for _, key := range sorted(keys) {
		target := c.target(key)
		if target == nil {
			continue
		}
		if err := json.Unmarshal(keys[key], target); err != nil && first == nil {
			first = fail(codeConfig, "key %q of the network configuration: %s", key, wanted(err))
		}
	}
	return c, first
}

// target is where the value of a key belongs; nil: nowhere.
func (c *config) target(key string) any {
	return map[string]any{
		"runDir": &c.RunDir, "stateDir": &c.StateDir, "bridge": &c.Bridge, "mtu": &c.MTU, "hairpin": &c.Hairpin, "gsoMaxSize": &c.GSOMaxSize,
		"cniVersion": &c.CNIVersion, "name": &c.Name, "dns": &c.DNS, "prevResult": &c.PrevResult, "runtimeConfig": &c.Runtime,
	}[key]
}

// wanted says what JSON value was expected.
func wanted(err error) string {
	if t, ok := err.(*json.UnmarshalTypeError); ok {
		at := ""
		if t.Field != "" {
			at = " in " + t.Field
		}
		return fmt.Sprintf("it is a %s%s, and %s is wanted", t.Value, at, kinds[t.Type.Kind().String()])
	}
	return err.Error()
}

var kinds = map[string]string{
	"string": "a text", "int": "a whole number", "bool": "true or false", "struct": "an object", "map": "an object", "slice": "a list",
}

// complete fills in what the configuration does not say.
func (c *config) complete() {
	if c.RunDir == "" {
		c.RunDir = defaultRunDir
	}
	if c.Bridge == "" {
		c.Bridge = defaultBridge
	}
}

// nameLimit is IFNAMSIZ with the zero at its end.
const nameLimit = 16

// isName reports whether an interface can be made that has this very name afterwards: in place of %d the kernel puts a number, and "all" and
// "default" are sysctls of all interfaces (dev_prep_valid_name in net/core/dev.c, sysctl_dev_name_is_allowed in include/linux/inetdevice.h).
func isName(name string) bool {
	unusual := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("/:%", r) }
	return name != "" && len(name) < nameLimit && !strings.ContainsFunc(name, unusual) && !slices.Contains([]string{".", "..", "all", "default"}, name)
}

func (c *config) validate() error {
	switch {
	case !filepath.IsAbs(c.RunDir):
		return fail(codeConfig, "key \"runDir\" is %q, and an absolute path is wanted", c.RunDir)
	case c.StateDir != "" && !filepath.IsAbs(c.StateDir):
		return fail(codeConfig, "key \"stateDir\" is %q, and an absolute path is wanted", c.StateDir)
	case !isName(c.Bridge):
		return fail(codeConfig, "key \"bridge\" is %q, which is not the name of an interface (at most 15 characters, no slash, colon, percent sign or blank)", c.Bridge)
	case c.MTU != 0 && (c.MTU < lease.MinMTU || c.MTU > lease.MaxMTU):
		return fail(codeConfig, "key \"mtu\" is %d: want %d to %d, or 0 for that of the overlay", c.MTU, lease.MinMTU, lease.MaxMTU)
	case c.GSOMaxSize != 0 && (c.GSOMaxSize < lease.MinGSO || c.GSOMaxSize > lease.MaxGSO):
		return fail(codeConfig, "key \"gsoMaxSize\" is %d: want %d to %d, or 0 for what the node says", c.GSOMaxSize, lease.MinGSO, lease.MaxGSO)
	}
	return c.Runtime.validate()
}

// atLeast reports whether the configuration is of a version of the specification, MAJOR.MINOR, or a later one.
func (c *config) atLeast(version string) bool {
	have, want := [2]int{}, [2]int{}
	_, _ = fmt.Sscanf(c.CNIVersion, "%d.%d", &have[0], &have[1])
	_, _ = fmt.Sscanf(version, "%d.%d", &want[0], &want[1])
	return slices.Compare(have[:], want[:]) >= 0
}
