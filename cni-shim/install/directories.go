package install

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
)

// Where runtimes look if nothing says otherwise (containerd's pkg/cri/config, the specification's own examples).
const (
	DefaultBin  = "/opt/cni/bin"
	DefaultConf = "/etc/cni/net.d"
)

// Configuration files of containerd. k3s writes one for the containerd inside of it each time that it starts; with flannel on it has a
// section for CNI that names k3s's own directories, with flannel off it has none, so that containerd's defaults count
// (k3s: pkg/agent/templates, ContainerdConfigTemplate).
const (
	K3sConfig        = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
	RKE2Config       = "/var/lib/rancher/rke2/agent/etc/containerd/config.toml" // likewise; its containerd has k3s's socket
	ContainerdConfig = "/etc/containerd/config.toml"
)

// Directories are where a runtime looks for plugins and for network configurations. Both are absolute.
type Directories struct {
	Bin  string `json:"bin_dir"`
	Conf string `json:"conf_dir"`
	Why  string `json:"why"` // who says so, for people
	Off  bool   `json:"-"`   // that runtime starts no pods: the plugin for that is switched off
}

// Find asks the first of these configuration files that there is; without any the defaults count. A file that cannot be read or
// understood is an error: to guess would put the plugins where nobody looks.
func Find(configs ...string) (Directories, error) {
	for _, path := range configs {
		c, err := readContainerd(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Directories{}, err
		}
		return c.directories(path), nil
	}
	return Directories{Bin: DefaultBin, Conf: DefaultConf, Why: "no configuration of containerd or k3s is here: containerd's defaults"}, nil
}

func (c *containerd) directories(path string) Directories {
	d := Directories{Bin: filepath.Clean(cmp.Or(c.bin, DefaultBin)), Conf: filepath.Clean(cmp.Or(c.conf, DefaultConf)), Why: "so says " + path, Off: c.disabled}
	if c.bin == "" && c.conf == "" {
		d.Why = path + " names none: containerd's defaults"
	}
	return d
}
