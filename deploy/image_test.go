package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/cri"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
)

// testImage is the name of the image that a test makes.
const testImage = "localhost/weft:test"

// makeImage makes the image, and skips where what it is made of cannot be had.
func makeImage(t *testing.T, dir string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "image.tar")
	make := exec.CommandContext(within(t, 5*patience), "make", "--silent", "image", "CNI="+pluginsDir(t), "STATIC="+filepath.Join(dir, "weft"),
		"IMAGE="+testImage, "IMAGE_FILE="+file, "MANIFEST="+filepath.Join(dir, "weft.yaml"))
	make.Dir = repository(t)
	if out, err := make.CombinedOutput(); err != nil {
		t.Fatalf("make image: %v\n%s", err, out)
	}
	return file
}

func TestAnImageForAnotherMachineIsMadeBesideThisOnes(t *testing.T) {
	other := map[string]string{"amd64": "arm64"}[runtime.GOARCH]
	if other == "" {
		other = "amd64"
	}
	out, err := exec.CommandContext(within(t, patience), "make", "--dry-run", "--directory", repository(t), "image", "ARCH="+other).CombinedOutput()
	check(t, err)
	for _, want := range []string{"GOARCH='" + other + "'", "bin/cni-" + other + "/weft-cni", "bin/static/" + other + "/weft", "--arch '" + other + "'", "-" + other + ".tar"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("make image ARCH=%s has no %s:\n%s", other, want, out)
		}
	}
	if strings.Contains(string(out), "bin/cni/") {
		t.Errorf("this machine's plugins are replaced:\n%s", out)
	}
	out, err = exec.CommandContext(within(t, patience), "make", "--dry-run", "--directory", repository(t), "packages", "ARCH="+other).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "packages are of this machine ("+runtime.GOARCH+"), not "+other) {
		t.Errorf("make packages ARCH=%s: %v\n%s", other, err, out)
	}
}

// kubelet is a machine with containerd that runs the containers of the manifest as a kubelet does.
type kubelet struct {
	*cri.Machine
	t   *testing.T
	pod pod
}

func newKubelet(t *testing.T, host *lab.Host, image string) *kubelet {
	t.Helper()
	m, err := cri.Boot(within(t, patience), host)
	if errors.Is(err, cri.ErrUnavailable) {
		t.Skip(err)
	}
	check(t, err)
	t.Cleanup(func() { check(t, m.Close()) })
	_, err = cri.StartContainerd(within(t, patience), m, image)
	check(t, err)
	program, err := os.ReadFile(labtest.Weft(t))
	check(t, err)
	check(t, m.WriteFile("/usr/bin/weft", program, 0o755)) // to ask with: the machine has a /tmp of its own
	return &kubelet{m, t, manifest(t)["DaemonSet"].Spec.Template.Spec}
}

// defaultCapabilities are what containerd gives a container that asks for nothing (oci.defaultUnixCaps).
var defaultCapabilities = []string{
	"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
}

// start runs one container of the manifest: with its capabilities, its paths of the host, its read-only root and the default seccomp
// profile, in the host's network, with more arguments at the end.
func (k *kubelet) start(name string, more ...string) *lab.Process {
	k.t.Helper()
	c := k.pod.Containers[slices.IndexFunc(k.pod.Containers, func(c container) bool { return c.Name == name })]
	args := []string{"ctr", "--namespace", "k8s.io", "run", "--net-host", "--seccomp", "--read-only"}
	for _, capability := range defaultCapabilities {
		args = append(args, "--cap-drop", "CAP_"+capability)
	}
	for _, capability := range c.SecurityContext.Capabilities.Add {
		args = append(args, "--cap-add", "CAP_"+capability)
	}
	for _, m := range c.VolumeMounts {
		source, options := "/etc/weft", "rbind:rw" // the projected one
		if i := slices.IndexFunc(k.pod.Volumes, func(v volume) bool { return v.Name == m.Name }); k.pod.Volumes[i].HostPath.Path != "" {
			source = k.pod.Volumes[i].HostPath.Path
		} else if m.Name != "config" {
			continue // the account: there is no API server
		}
		if m.ReadOnly {
			options = "rbind:ro"
		}
		args = append(args, "--mount", fmt.Sprintf("type=bind,src=%s,dst=%s,options=%s", source, m.MountPath, options))
	}
	args = append(append(args, testImage, name, "weft"), append(slices.Clone(c.Args), more...)...)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$(NODE_NAME)", k.Name())
	}
	p, err := k.Start(args...)
	check(k.t, err)
	return p
}

// status is what the daemon in the container says, asked from the host.
func (k *kubelet) status() (s api.Status, err error) {
	out, err := k.Run(within(k.t, patience), "weft", "status", "--json")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(out), &s)
}

func TestTheImageRunsAsTheManifestSaysAndInstallsThePlugin(t *testing.T) {
	if err := cri.Available(); err != nil {
		t.Skip(err)
	}
	t.Parallel()
	l := labtest.Lab(interrupted, t, lab.Options{})
	image := makeImage(t, l.Dir())
	c, first := peer(t, l)
	host, err := l.Host("vm-2")
	check(t, err)
	k := newKubelet(t, host, image)
	token := filepath.Join(l.Dir(), "token")
	check(t, os.WriteFile(token, []byte(c.Token()), 0o600))
	for _, dir := range k.pod.Volumes {
		if dir.HostPath.Type == "DirectoryOrCreate" {
			_, err = k.Run(within(t, patience), "mkdir", "-p", dir.HostPath.Path)
			check(t, err)
		}
	}
	_, err = k.Run(within(t, patience), "sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward") // k3s switches it on
	check(t, err)
	_, err = k.Run(within(t, patience), "weft", "join", "--token-file", token, "--subnet", "10.244.7.0/24", "--advertise", host.Addrs()[0].String())
	check(t, err)

	daemon, keeper := k.start("weft"), k.start("cni")
	var s api.Status
	check(t, cri.Poll(within(t, patience), func() error {
		if cri.Ended(daemon) || cri.Ended(keeper) {
			return cri.Hopeless(fmt.Errorf("a container has ended: %s; %s", cri.LastLines(daemon, 5), cri.LastLines(keeper, 5)))
		}
		if s, err = k.status(); err == nil && (len(s.Peers) != 1 || s.Peers[0].State != api.StateUp || !s.Node.Pods.Leased) {
			err = fmt.Errorf("it says %+v %+v", s.Peers, s.Node.Pods)
		}
		if err == nil {
			_, err = os.Stat(k.Path("/etc/cni/net.d/10-weft.conflist"))
		}
		return err
	}))
	// The one thing that is missing here, because the container's /proc/sys is read-only, is said with the command that mends it.
	if d := s.Node.Degraded; len(d) != 1 || !strings.Contains(d[0].Reason, "net.ipv4.ip_forward = 1") {
		t.Errorf("degraded: %+v", d)
	}
	out, err := k.Run(within(t, patience), "sh", "-c", "cd /opt/cni/bin && ls && for p in *; do echo '{\"cniVersion\":\"1.0.0\"}' | CNI_COMMAND=VERSION ./$p; done")
	if err != nil || strings.Count(out, `"supportedVersions"`) != 4 || !strings.HasPrefix(out, "bandwidth\nloopback\nportmap\nweft-cni\n") {
		t.Errorf("the plugins say %v\n%s", err, out)
	}
	addrs, err := first.Addresses(within(t, patience))
	check(t, err)
	for _, a := range slices.DeleteFunc(addrs, func(a netip.Addr) bool { return a.Is6() }) {
		if out, err := k.Run(within(t, patience), "ping", "-c", "1", "-W", "5", a.String()); err != nil {
			t.Errorf("ping %s: %v\n%s", a, err, out)
		}
	}
}
