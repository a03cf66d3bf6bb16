// Package config is the configuration of a node: its keys, the file and the flags that give them values, and the checks of what
// came out. Whatever is wrong with one is a single line that names the key and, where it was given, its place.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/tun"
)

// Defaults of the configuration.
const (
	DefaultConfigFile = "/etc/weft/weft.yaml"
	DefaultSecretFile = "/etc/weft/secret"
	DefaultStateDir   = "/var/lib/weft"
	DefaultRunDir     = "/run/weft"
	DefaultSocket     = DefaultRunDir + "/" + SocketName
	DefaultDevice     = "weft0"
	DefaultPort       = 9338
	SocketName        = "weft.sock"

	MinMTU = 1280  // the least that IPv6 may have (RFC 8200, section 5)
	MaxMTU = 65455 // 65535 less IPv6 header 40, UDP 8, frame 16, tag 16
)

// ErrConfig marks errors of the configuration: the command exits with 2.
var ErrConfig = errors.New("configuration")

// configError wraps ErrConfig and reads as one line: the place where a key has its value, the key, and what is wrong with it.
type configError struct {
	key   string // empty: it is about no single key
	place string // of the key's value: "/etc/weft/weft.yaml: line 3", or a flag; empty: not known, or the default
	err   error
}

// Errorf makes an error about the configuration that is about no single key.
func Errorf(format string, args ...any) error {
	return &configError{err: fmt.Errorf(format, args...)}
}

// KeyErrorf makes an error about the value of a key. Config.Placed adds where that value stands.
func KeyErrorf(key, format string, args ...any) error {
	return &configError{key: key, err: fmt.Errorf(format, args...)}
}

// Error implements error.
func (e *configError) Error() string {
	text, key := e.err.Error(), e.key
	if strings.HasPrefix(e.place, "--") { // a flag has the key's name already
		key = ""
	}
	for _, part := range []string{key, e.place} {
		if part != "" {
			text = part + ": " + text
		}
	}
	return text
}

// Unwrap gives what is wrong.
func (e *configError) Unwrap() error { return e.err }

// Is makes errors.Is(err, ErrConfig) true.
func (e *configError) Is(target error) bool { return target == ErrConfig }

// Subnet is what the node owns: named prefixes, one that it finds itself, or those that Kubernetes gave it.
type Subnet struct {
	Auto     bool
	K8s      bool
	Prefixes []netip.Prefix // with K8s the podCIDRs, once they are known: see Config.WithPodCIDRs
}

func (s Subnet) Values() []string {
	if s.Auto {
		return []string{"auto"}
	}
	if s.K8s {
		return []string{"k8s"}
	}
	return Texts(s.Prefixes)
}

// Config is the configuration of a node. Make it with Default, then read a file and flags over it, then Validate.
type Config struct {
	Name        string
	Network     []netip.Prefix
	Subnet      Subnet
	SubnetSize  [2]int // prefix length of an automatic subnet: IPv4, IPv6
	Bootstrap   bool
	Kubeconfig  string // with subnet k8s: file with server and credentials; empty: see kubernetes.Machine
	K8sNode     string // with subnet k8s: name of this host's Node; empty: see kubernetes.NodeName
	Routes      []netip.Prefix
	Listen      string
	Advertise   []netip.Addr
	Join        []string
	Encryption  bool
	Cipher      encap.Cipher  // of packets; 0: what this CPU does best, and the peer's
	Rekey       time.Duration // age at which keys are replaced
	Relay       Relay
	Lease       time.Duration // how long the claim of a node that is away is kept
	SecretFile  string
	Authority   string // file with the public key of the authority; empty: none
	Certificate string // file with this node's certificate; empty: none
	MTU         int    // of the device; 0: auto
	Device      string
	Driver      tun.Driver
	Lanes       int // 0: auto
	Offload     Offload
	Forwarding  bool // auto; false: off
	Firewall    bool // auto; false: off
	MSSClamp    encap.Knob
	MTUProbe    bool // auto; false: off
	StateDir    string
	RunDir      string
	Metrics     string // address and port; empty: none
	LogLevel    slog.Level
	LogFormat   string

	ClearOnPublic bool // packets may travel in clear to public addresses

	places map[string]string // of the keys that were given, for errors; shared by copies, and so replaced as a whole
}

// Offload has the knobs of all that the kernel, or a peer, may do in weft's place.
type Offload struct {
	Device   tun.OffloadKnobs
	GSO, GRO encap.Knob
	Partial  encap.Knob // checksums of inner packets stay partial; every kernel can
}

// Default is the configuration of an empty file.
func Default() Config {
	name, err := os.Hostname()
	if err != nil {
		name = "weft"
	}
	return Config{
		Name: name, Network: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}, Subnet: Subnet{Auto: true},
		SubnetSize: [2]int{24, 64}, Listen: fmt.Sprintf(":%d", DefaultPort), Encryption: true, Rekey: defaultRekey, Relay: RelayAllow, Lease: mesh.DefaultLease,
		SecretFile: DefaultSecretFile, Device: DefaultDevice, Driver: tun.DriverAuto, StateDir: DefaultStateDir,
		RunDir: DefaultRunDir, Metrics: DefaultMetrics, LogLevel: slog.LevelInfo, LogFormat: "text", Offload: defaultOffload(),
		Forwarding: true, Firewall: true, MSSClamp: encap.KnobAuto, MTUProbe: true,
	}
}

func defaultOffload() Offload {
	return Offload{
		Device: tun.OffloadKnobs{TSO: tun.KnobAuto, USO: tun.KnobAuto, JoinTCP: tun.KnobAuto, JoinUDP: tun.KnobAuto},
		GSO:    encap.KnobAuto, GRO: encap.KnobAuto, Partial: encap.KnobAuto,
	}
}

// Socket is the path of the control socket.
func (c *Config) Socket() string { return filepath.Join(c.RunDir, SocketName) }

// ReadFile reads a YAML file over c. An unknown key, a key given twice and a value that is not one are errors that name
// the file, the line and the key; they wrap ErrConfig.
func (c *Config) ReadFile(path string) error {
	data, err := readConfigFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	if err != nil {
		return Errorf("%w", err)
	}
	lines, err := c.parse(data)
	if err != nil {
		return Errorf("%s: %w", path, err)
	}
	for key, line := range lines {
		c.Given(key, fmt.Sprintf("%s: line %d", path, line))
	}
	return nil
}

// Given notes where the value of a key stands, for errors: a file and line, or a flag.
func (c *Config) Given(key, place string) {
	places := maps.Clone(c.places)
	if places == nil {
		places = map[string]string{}
	}
	places[key] = place
	c.places = places
}

// PlacesOf makes errors about c name the places where other has its values.
func (c *Config) PlacesOf(other *Config) { c.places = other.places }

// Placed is err with the place of the key that it is about, where that is known.
func (c *Config) Placed(err error) error {
	about := new(configError)
	if !errors.As(err, &about) || about.key == "" || about.place != "" || c.places[about.key] == "" {
		return err
	}
	return &configError{key: about.key, place: c.places[about.key], err: about.err}
}

// Parse reads YAML over c; errors name line and key.
func (c *Config) Parse(data []byte) error {
	_, err := c.parse(data)
	return err
}

// parse reads YAML over c and returns the line of each key in it.
func (c *Config) parse(data []byte) (lines map[string]int, err error) {
	root, err := rootOf(data)
	if err != nil || root == nil {
		return nil, err
	}
	lines = map[string]int{}
	return lines, c.parseMap(root, "", lines)
}

// rootOf is the one document in data; nil: it is empty.
func rootOf(data []byte) (*yaml.Node, error) {
	var doc, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxError(data, err)
	}
	if err := dec.Decode(&second); err == nil {
		return nil, fmt.Errorf("line %d: more than one document: keep the first", second.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(data, err)
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	return root, nil
}

// syntaxError is what the YAML parser says, with the line. The parser names none for the first line, for unknown anchors
// and for characters that YAML does not allow: it is then the first line up to which the text fails in the same way.
func syntaxError(data []byte, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if where, what, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(where, "line ") {
		number, _ := strconv.Atoi(strings.TrimPrefix(where, "line "))
		return fmt.Errorf("%s: not YAML: %s%s", where, what, tabHint(data, number))
	}
	var head []byte
	line := 0
	for part := range bytes.Lines(data) {
		head, line = append(head, part...), line+1
		if got := yaml.Unmarshal(head, new(yaml.Node)); got != nil && got.Error() == err.Error() {
			break
		}
	}
	line = max(line, 1)
	return fmt.Errorf("line %d: not YAML: %s%s", line, text, tabHint(data, line))
}

// tabHint says it when a line that is not YAML begins with a tab, which looks as if it were right.
func tabHint(data []byte, line int) string {
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) || !bytes.HasPrefix(bytes.TrimLeft(lines[line-1], " "), []byte("\t")) {
		return ""
	}
	return " (it is indented with a tab: use blanks)"
}

// exampleOf is a key of a section with its default.
func exampleOf(prefix string) string {
	defaults := Default()
	for _, k := range Keys() {
		if name, ok := strings.CutPrefix(k.Name, prefix); ok {
			return name + ": " + k.Get(&defaults)
		}
	}
	return ""
}

func (c *Config) parseMap(m *yaml.Node, prefix string, seen map[string]int) error {
	if m.Kind != yaml.MappingNode && prefix != "" {
		section := strings.TrimSuffix(prefix, ".")
		return fmt.Errorf("line %d: %s holds keys: write %s: {%s}", m.Line, section, section, exampleOf(prefix))
	}
	if m.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: expected keys with values, each as 'key: value' on a line of its own", m.Line)
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		name, value := m.Content[i], m.Content[i+1]
		if name.Kind != yaml.ScalarNode || name.Value == "" {
			return fmt.Errorf("line %d: a key is a plain word, as in 'mtu: auto'", name.Line)
		}
		full := prefix + name.Value
		if first, ok := seen[full]; ok {
			return fmt.Errorf("line %d: key %q was given in line %d already: keep one of them", name.Line, full, first)
		}
		seen[full] = name.Line
		if err := c.parseKey(name, value, full, seen); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) parseKey(name, value *yaml.Node, full string, seen map[string]int) error {
	for _, k := range keys {
		if strings.HasPrefix(k.Name, full+".") {
			return c.parseMap(value, full+".", seen)
		}
		if k.Name != full {
			continue
		}
		values, err := scalars(value, k.List)
		if err == nil {
			err = k.Set(c, values)
		}
		if err != nil {
			return fmt.Errorf("line %d: %s: %w", value.Line, full, err)
		}
		return nil
	}
	return fmt.Errorf("line %d: unknown key %q%s", name.Line, full, suggest(full))
}

// scalars is the value of a key as texts.
func scalars(n *yaml.Node, list bool) ([]string, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Tag == "!!null":
		return nil, errors.New(`has no value: give it one, "" where none is meant, or leave the key out`)
	case n.Kind == yaml.ScalarNode:
		return []string{n.Value}, nil
	case n.Kind == yaml.SequenceNode && list:
		values := make([]string, 0, len(n.Content))
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
				return nil, fmt.Errorf("its entry in line %d is not a plain value", item.Line)
			}
			values = append(values, item.Value)
		}
		return values, nil
	case list:
		return nil, errors.New("takes a list such as [a, b]")
	}
	return nil, errors.New("takes one plain value, as in 'key: value'")
}

// suggest names the known key that an unknown one was probably meant to be.
func suggest(name string) string {
	for _, k := range keys {
		if strings.EqualFold(strings.NewReplacer("-", "_").Replace(name), k.Name) || strings.HasPrefix(k.Name, name) || strings.HasPrefix(name, k.Name) {
			return fmt.Sprintf(" (did you mean %q?)", k.Name)
		}
	}
	return " ('weft up --help' lists all keys)"
}
