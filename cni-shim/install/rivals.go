package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weftnet/weft/atomicfile"
)

// Rival is a network configuration that sorts before weft's: containerd takes the first one by name (max_conf_num is 1), and none at all
// if that one is damaged (containerd/go-cni, loadFromConfDir).
type Rival struct {
	Path    string
	Network string // its name
	Types   string // of its plugins
	Damage  string // why it is none; "": it is one
	HandsOn bool   // its first plugin hands pods on to another network: that may be weft's
}

// String says what becomes of pods.
func (r Rival) String() string {
	if r.Damage != "" {
		return fmt.Sprintf("%s sorts before %s and is damaged (%s): containerd takes neither, and no pod starts: rm %s", r.Path, ListFile, r.Damage, r.Path)
	}
	if r.HandsOn {
		return fmt.Sprintf("%s sorts before %s: pods get what %s hands them on to, which must be the network weft", r.Path, ListFile, r.Types)
	}
	return fmt.Sprintf("%s sorts before %s: pods get the network %q (%s), not weft's: take it away, or what writes it", r.Path, ListFile, r.Network, r.Types)
}

// Rivals are in the order in which the runtime sees them. A directory that is missing has none.
func Rivals(conf string) ([]Rival, error) {
	entries, err := os.ReadDir(conf) // by name
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	var list []Rival
	for _, e := range entries {
		if e.Name() < ListFile && !e.IsDir() && isConfiguration(e.Name()) {
			list = append(list, readRival(filepath.Join(conf, e.Name())))
		}
	}
	return list, nil
}

// isConfiguration reports whether runtimes read a file of this name (libcni.ConfFiles, as containerd calls it).
func isConfiguration(name string) bool {
	switch filepath.Ext(name) {
	case ".conf", ".conflist", ".json":
		return true
	}
	return false
}

// multiplexers are plugins that give a pod several networks: the first is clusterNetwork or the first of delegates in their configuration.
var multiplexers = []string{"multus", "multus-shim"}

func readRival(path string) Rival {
	r := Rival{Path: path}
	data, _, err := atomicfile.Read(path, maxConfig)
	if err != nil {
		r.Damage = err.Error()
		return r
	}
	var file struct {
		Name    string                  `json:"name"`
		Type    string                  `json:"type"`
		Plugins []struct{ Type string } `json:"plugins"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		r.Damage = err.Error()
		return r
	}
	var types []string
	for _, p := range file.Plugins {
		types = append(types, p.Type)
	}
	if file.Type != "" {
		types = append(types, file.Type)
	}
	if r.Network, r.Types = file.Name, strings.Join(types, ", "); r.Types == "" {
		r.Damage = "it names no plugin"
	}
	r.HandsOn = len(types) > 0 && slices.Contains(multiplexers, types[0])
	return r
}
