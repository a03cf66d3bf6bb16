package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func containerdFileOf(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheDirectoriesAreThoseOfTheRuntime(t *testing.T) {
	for _, test := range []struct {
		what, text, bin, conf string
		off                   bool
	}{
		{"nothing", "", DefaultBin, DefaultConf, false},
		{"version 2, Debian's", `version = 2
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"`, "/usr/lib/cni", DefaultConf, false},
		{"version 2, k3s with flannel", `version = 2
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/var/lib/rancher/k3s/data/cni"
  conf_dir = "/var/lib/rancher/k3s/agent/etc/cni/net.d"`, "/var/lib/rancher/k3s/data/cni", "/var/lib/rancher/k3s/agent/etc/cni/net.d", false},
		{"version 2, k3s without flannel", `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "127.0.0.1"
  enable_selinux = false
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"`, DefaultBin, DefaultConf, false},
		{"version 3", `version = 3
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dir = "/a/bin/"
  conf_dir = "/a/net.d"`, "/a/bin", "/a/net.d", false},
		{"version 4", "version = 4\n[plugins.'io.containerd.server.v1.grpc']\naddress = '/x'\n[plugins.'io.containerd.cri.v1.runtime'.cni]\nbin_dirs = ['/four']", "/four", DefaultConf, false},
		{"version 3 with several directories", `version = 3
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/first", "/second"]`, "/first", DefaultConf, false},
		{"version 1", "[plugins.cri.cni]\nbin_dir = \"/one\"", "/one", DefaultConf, false},
		{"Docker's", "disabled_plugins = [\"cri\"]", DefaultBin, DefaultConf, true},
		{"switched off in version 2", "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]", DefaultBin, DefaultConf, true},
	} {
		path := containerdFileOf(t, test.text)
		d, err := Find(filepath.Join(t.TempDir(), "missing"), path)
		if err != nil || d.Bin != test.bin || d.Conf != test.conf || d.Off != test.off || !strings.Contains(d.Why, path) {
			t.Errorf("%s: %+v, %v", test.what, d, err)
		}
	}
	if d, err := Find(filepath.Join(t.TempDir(), "missing")); err != nil || d.Bin != DefaultBin || d.Conf != DefaultConf {
		t.Errorf("without a configuration: %+v, %v", d, err)
	}
}

// containerd 1 takes the whole section of the last file that has it; version 2 of containerd merges.
func TestImportsCountMoreThanWhatComesBeforeAndMayGoRound(t *testing.T) {
	for _, test := range []struct{ version, section, more, bin, conf string }{
		{"2", "io.containerd.grpc.v1.cri", ".cni]\nbin_dir = '/more'", "/more", DefaultConf},
		{"2", "io.containerd.grpc.v1.cri", ".containerd.runtimes.nvidia]\nruntime_type = 'x'", DefaultBin, DefaultConf},
		{"3", "io.containerd.cri.v1.runtime", ".cni]\nbin_dir = '/more'", "/more", "/main.d"},
		{"3", "io.containerd.cri.v1.runtime", ".containerd.runtimes.nvidia]\nruntime_type = 'x'", "/main", "/main.d"},
	} {
		section := "[plugins.'" + test.section + "'"
		path := containerdFileOf(t, "version = "+test.version+"\nimports = [\"more/*.toml\", \"config.toml\"]\n"+section+".cni]\nbin_dir = '/main'\nconf_dir = '/main.d'\n")
		more := filepath.Join(filepath.Dir(path), "more")
		if err := os.Mkdir(more, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(more, "a.toml"), []byte(section+test.more+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if d, err := Find(path); err != nil || d.Bin != test.bin || d.Conf != test.conf {
			t.Errorf("version %s, %q: %+v, %v", test.version, test.more, d, err)
		}
	}
}

func TestAConfigurationThatCannotBeUnderstoodIsOneLineAndNoGuess(t *testing.T) {
	for _, text := range []string{"version = ", "disabled_plugins = 7", "[plugins.cri]\ncni = 7", "imports = [\"[\"]"} {
		path := containerdFileOf(t, text)
		_, err := Find(path)
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := Find(t.TempDir()); err == nil {
		t.Error("a directory was taken")
	}
}

func FuzzContainerd(f *testing.F) {
	f.Add([]byte("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"/usr/lib/cni\"\n"))
	f.Add([]byte("disabled_plugins = [\"cri\"]\nimports = [\"x\"]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := new(containerd)
		if _, err := c.decode(data); err != nil {
			return
		}
		if d := c.directories("x"); d.Bin == "" || d.Conf == "" {
			t.Errorf("%+v", d)
		}
	})
}
