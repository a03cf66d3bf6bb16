package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"go.yaml.in/yaml/v3"
)

const configHeader = "weft: all keys are in docs/configuration.md and 'weft up --help'"

// WriteFile writes the keys that differ from the defaults, and those that everybody looks for.
func WriteFile(file string, cfg Config) error {
	text, err := cfg.text()
	if err != nil {
		return fmt.Errorf("config: write configuration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("config: make the directory of %s: %w", file, RootHint(err))
	}
	if err := renameio.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("config: write configuration: %w", RootHint(err))
	}
	return nil
}

// text is the configuration as YAML. Parse reads it back for every configuration that Validate accepts.
func (c *Config) text() ([]byte, error) {
	always := map[string]bool{"name": true, "network": true, "subnet": true, "join": true, "encryption": true}
	defaults := Default()
	root := &yaml.Node{Kind: yaml.MappingNode, HeadComment: configHeader}
	for _, k := range keys {
		if always[k.Name] || k.Get(c) != k.Get(&defaults) {
			addKey(root, k.Name, k.yaml(c))
		}
	}
	return yaml.Marshal(root)
}

// addKey adds a key to a mapping; "log.level" becomes level inside log.
func addKey(m *yaml.Node, name string, value *yaml.Node) {
	outer, inner, nested := strings.Cut(name, ".")
	if !nested {
		m.Content = append(m.Content, scalar(name), value)
		return
	}
	for i := 0; i < len(m.Content); i += 2 {
		if m.Content[i].Value == outer {
			addKey(m.Content[i+1], inner, value)
			return
		}
	}
	group := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	addKey(group, inner, value)
	m.Content = append(m.Content, scalar(outer), group)
}

// yaml is the key's value: a list where the key takes one, but for 'subnet: auto' and 'subnet: k8s'.
func (k *Key) yaml(c *Config) *yaml.Node {
	values := k.Values(c)
	if !k.List || k.Name == "subnet" && (c.Subnet.Auto || c.Subnet.K8s) {
		return scalar(values[0])
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, v := range values {
		list.Content = append(list.Content, scalar(v))
	}
	return list
}

// scalar is a value that reads back as this very text: the encoder quotes what YAML would take for something else.
func scalar(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if text == "true" || text == "false" || text != "" && strings.Trim(text, "0123456789") == "" {
		n.Tag = "" // a plain number or truth value: the reader takes its text as it stands
	}
	return n
}
