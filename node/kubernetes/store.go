package kubernetes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"

	"github.com/weftnet/weft/atomicfile"
)

// StoreFile is the file in the state directory with the podCIDRs that were known last, so that a node has them at its start although
// the API server is away: it may be reached through this very node.
const StoreFile = "podcidrs.json"

const (
	storeVersion = 1
	maxStore     = 4 << 10 // bytes
)

// stored is the file's contents.
type stored struct {
	Version  int      `json:"version"`
	Node     string   `json:"node"` // of Kubernetes
	Server   string   `json:"server"`
	PodCIDRs []string `json:"pod_cidrs"`
}

// Store writes down what the server said of a node. It writes nothing where that is there already.
func Store(dir, node string, a Answer) error {
	s := stored{Version: storeVersion, Node: node, Server: a.Server}
	for _, p := range a.PodCIDRs {
		s.PodCIDRs = append(s.PodCIDRs, p.String())
	}
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("kubernetes: store podCIDRs: %w", err)
	}
	data = append(data, '\n')
	path := filepath.Join(dir, StoreFile)
	if old, _, err := atomicfile.Read(path, maxStore); err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err := atomicfile.Write(path, data, 0o600); err != nil {
		return fmt.Errorf("kubernetes: store podCIDRs: %w", err)
	}
	return nil
}

// Recall is what Store wrote down of a node; nil: nothing. An error says that the file cannot be used.
func Recall(dir, node string) ([]netip.Prefix, error) {
	data, _, err := atomicfile.Read(filepath.Join(dir, StoreFile), maxStore)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("kubernetes: recall podCIDRs: %w", err)
	}
	list, err := parseStored(data, node)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: recall podCIDRs: %s: %w", filepath.Join(dir, StoreFile), err)
	}
	return list, nil
}

// parseStored reads the file; nil: it is about another node.
func parseStored(data []byte, node string) ([]netip.Prefix, error) {
	var s stored
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("not what weft wrote: %s", plain(err.Error()))
	}
	switch {
	case s.Version != storeVersion:
		return nil, fmt.Errorf("it is of version %d, not %d", s.Version, storeVersion)
	case s.Node != node:
		return nil, nil
	}
	return parsePodCIDRs(s.PodCIDRs)
}
