package install

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// statusStep asks weft's plugin whether a pod could start, with the configuration that it has in the list (STATUS of CNI 1.1). containerd
// asks so from version 2 on, and the kubelet tells the answer as the node's condition. Without that configuration there is no step.
func statusStep(ctx context.Context, d Directories) []Step {
	config := ownConfig(filepath.Join(d.Conf, ListFile))
	if config == nil {
		return nil
	}
	if os.Geteuid() != 0 {
		return []Step{{"status", Warn, "root alone can ask " + Plugin, "run this as root"}}
	}
	out, err := runPlugin(ctx, filepath.Join(d.Bin, Plugin), "STATUS", config)
	if err == nil {
		return []Step{{"status", OK, Plugin + " says that pods can start", ""}}
	}
	var answer struct {
		Code uint   `json:"code"`
		Msg  string `json:"msg"`
	}
	if json.Unmarshal(out, &answer) != nil || answer.Msg == "" {
		answer.Msg = err.Error()
	}
	return []Step{{"status", Fail, fmt.Sprintf("%s says (code %d): %s", Plugin, answer.Code, answer.Msg), ""}}
}

// ownConfig is the configuration that the runtime makes of a list for weft's plugin; nil where the list has none.
func ownConfig(path string) []byte {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var list struct {
		Name    string           `json:"name"`
		Plugins []map[string]any `json:"plugins"`
	}
	if json.Unmarshal(text, &list) != nil {
		return nil
	}
	for _, p := range list.Plugins {
		if p["type"] == Plugin {
			p["name"], p["cniVersion"] = list.Name, "1.1.0"
			delete(p, "capabilities")
			text, _ = json.Marshal(p) // of what was JSON
			return text
		}
	}
	return nil
}
