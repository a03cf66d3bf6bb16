package install

import (
	"encoding/json"
	"path/filepath"
)

// ListFile is the name of the network configuration list.
const ListFile = "10-weft.conflist"

// Plugin is the name of weft's own plugin, and Plugins are the names of all that are installed, in that order.
const Plugin = "weft-cni"

// Plugins are what is installed besides the list. portmap and bandwidth are in the list; runtimes give every pod its lo by loopback.
var Plugins = []string{Plugin, "loopback", "portmap", "bandwidth"}

// defaultRunDir is where the plugin looks for the lease if its configuration does not say.
const defaultRunDir = "/run/weft"

// list is the network configuration list for a node with this run directory. containerd 1.6 takes no results of version 1.1.0, so 1.0.0 is
// what runtimes get that do not know cniVersions.
func list(runDir string) []byte {
	own := map[string]any{"type": Plugin, "capabilities": map[string]bool{"ips": true, "ipRanges": true}}
	if filepath.Clean(runDir) != defaultRunDir {
		own["runDir"] = runDir
	}
	text, err := json.MarshalIndent(struct {
		Version  string           `json:"cniVersion"`
		Versions []string         `json:"cniVersions"`
		Name     string           `json:"name"`
		Plugins  []map[string]any `json:"plugins"`
	}{
		"1.0.0", []string{"1.0.0", "1.1.0"}, "weft", []map[string]any{
			own,
			{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
			{"type": "bandwidth", "capabilities": map[string]bool{"bandwidth": true}},
		},
	}, "", "  ")
	if err != nil {
		panic(err) // of constants and one string
	}
	return append(text, '\n')
}
