package install

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// pluginStep asks a plugin for the versions of the specification that it speaks, as runtimes do.
func pluginStep(ctx context.Context, path string) Step {
	name := "plugin " + filepath.Base(path)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return Step{name, Fail, "there is no " + path, installRemedy}
	}
	versions, err := pluginVersions(ctx, path)
	if errors.Is(err, fs.ErrPermission) && mayRun(path) {
		return Step{name, Fail, path + " is a program, and must not be run", "mount its file system without noexec, or use another directory; or see what SELinux or AppArmor denied"}
	}
	if err != nil {
		return Step{name, Fail, fmt.Sprintf("%s does not run: %v", path, err), installRemedy}
	}
	if !slices.Contains(versions, "1.0.0") {
		return Step{name, Fail, fmt.Sprintf("%s speaks the versions %v, and the list is of version 1.0.0", path, versions), installRemedy}
	}
	return Step{name, OK, path, ""}
}

// mayRun reports whether anybody may run a file, by its permissions.
func mayRun(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o111 != 0
}

// runPlugin runs a plugin as runtimes do, and returns what it writes, also where it fails.
func runPlugin(ctx context.Context, path, command string, config []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = []string{"CNI_COMMAND=" + command, "CNI_PATH=" + filepath.Dir(path)}
	cmd.Stdin = bytes.NewReader(config)
	return cmd.Output()
}

func pluginVersions(ctx context.Context, path string) ([]string, error) {
	out, err := runPlugin(ctx, path, "VERSION", []byte(`{"cniVersion": "1.0.0"}`))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Versions []string `json:"supportedVersions"`
	}
	return answer.Versions, json.Unmarshal(out, &answer)
}
