package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/cni-shim/lease"
)

// Finding is the outcome of a step.
type Finding string

// The findings.
const (
	OK   Finding = "ok"
	Warn Finding = "warn" // it may be so on purpose
	Fail Finding = "fail" // no pod starts
)

// Step is one link of the chain from the kubelet to the daemon.
type Step struct {
	Name    string  `json:"name"`
	Finding Finding `json:"finding"`
	Detail  string  `json:"detail"`
	Remedy  string  `json:"remedy,omitempty"`
}

// Where the programs of a node are asked whether they live.
const (
	KubeletHealth = "127.0.0.1:10248" // healthzPort of the kubelet's configuration; k3s keeps it
	K3sSocket     = "/run/k3s/containerd/containerd.sock"
	RuntimeSocket = "/run/containerd/containerd.sock"
)

// stepPatience bounds each question to another program.
const stepPatience = 2 * time.Second

// Chain is what has to be right for a pod to start on this node.
type Chain struct {
	Bin, Conf string   // empty: as the first of Configs says
	Configs   []string // of containerd
	Sockets   []string // of containerd: one that answers is enough
	Kubelet   string   // address of its health
	RunDir    string
	Daemon    func(ctx context.Context) (says string, err error)
}

// Examine looks at each link in order: kubelet, containerd, its directories, the list, the plugins, the lease, the daemon, and what weft's
// plugin says in the end. It changes nothing.
func (c *Chain) Examine(ctx context.Context) []Step {
	runtime, socket := c.containerd()
	steps := []Step{c.kubelet(ctx), runtime}
	where, err := Find(c.Configs...)
	if err != nil && (c.Bin == "" || c.Conf == "") {
		return append(append(steps, Step{"directories", Fail, inOneLine(err), ""}), c.node(ctx)...)
	}
	if c.Bin != "" || c.Conf != "" {
		where.Why = "as the flags say"
	}
	where.Bin, where.Conf = cmp.Or(c.Bin, where.Bin), cmp.Or(c.Conf, where.Conf)
	steps = append(steps, directoriesStep(where, socket), c.list(where.Conf))
	own := len(steps)
	for _, name := range Plugins {
		steps = append(steps, pluginStep(ctx, filepath.Join(where.Bin, name)))
	}
	runs := steps[own].Finding == OK
	if steps = append(steps, c.node(ctx)...); runs {
		steps = append(steps, statusStep(ctx, where)...)
	}
	return steps
}

// node looks at what the daemon is needed for.
func (c *Chain) node(ctx context.Context) []Step {
	lease := c.lease()
	return []Step{lease, c.daemon(ctx, lease.Finding == OK)}
}

func (c *Chain) kubelet(ctx context.Context) Step {
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Kubelet+"/healthz", nil)
	if err != nil {
		return Step{"kubelet", Fail, err.Error(), ""}
	}
	const remedy = "systemctl status k3s k3s-agent kubelet"
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err
		}
		return Step{"kubelet", Warn, fmt.Sprintf("none answers at %s (%v): it does not run, or its healthzPort is another", c.Kubelet, err), remedy}
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return Step{"kubelet", Warn, "it says that it is not well: " + answer.Status, remedy}
	}
	return Step{"kubelet", OK, "it runs", ""}
}

// containerd returns the socket on which it answers, too; "": on none.
func (c *Chain) containerd() (s Step, socket string) {
	for _, socket := range c.Sockets {
		if conn, err := net.DialTimeout("unix", socket, stepPatience); err == nil {
			conn.Close()
			return Step{"containerd", OK, "it listens on " + socket, ""}, socket
		}
	}
	return Step{"containerd", Warn, "nobody listens on " + strings.Join(c.Sockets, " or "), "systemctl status k3s k3s-agent containerd"}, ""
}

// startTime is more than containerd takes from making its directories to listening.
const startTime = 10 * time.Second

func directoriesStep(d Directories, socket string) Step {
	text := fmt.Sprintf("plugins in %s, networks in %s: %s", d.Bin, d.Conf, d.Why)
	if d.Off {
		return Step{"directories", Fail, text + "; but disabled_plugins there has cri, so it starts no pods", "take cri out of disabled_plugins, and restart containerd"}
	}
	if info, err := os.Stat(socket); err == nil && born(d.Conf).After(info.ModTime().Add(startTime)) {
		text += "; the latter was made anew while containerd ran, and many versions do not see what is in it until they are restarted"
		return Step{"directories", Warn, text, "systemctl restart containerd, or k3s, or k3s-agent"}
	}
	return Step{"directories", OK, text, ""}
}

// born is when a file was made; zero where the file system does not know. overlayfs makes a directory of a lower layer anew when something
// in it changes, which who watches it does not notice.
func born(path string) time.Time {
	var on unix.Statfs_t
	if err := unix.Statfs(path, &on); err != nil || on.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return time.Time{}
	}
	var s unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BTIME, &s); err != nil || s.Mask&unix.STATX_BTIME == 0 {
		return time.Time{}
	}
	return time.Unix(s.Btime.Sec, int64(s.Btime.Nsec))
}

// installRemedy is what to do where something of the installation is missing.
const installRemedy = "weft cni install --wait"

// list looks at what the runtime reads: weft's list, and what comes before it.
func (c *Chain) list(conf string) Step {
	rivals, err := Rivals(conf)
	if err != nil {
		return Step{"list", Fail, inOneLine(err), ""}
	}
	path := filepath.Join(conf, ListFile)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Step{"list", Fail, "there is no " + path + ": the runtime knows no network of weft's", installRemedy}
	case err != nil:
		return Step{"list", Fail, err.Error(), ""}
	case len(rivals) > 0 && !rivals[0].HandsOn:
		return Step{"list", Fail, rivals[0].String(), ""}
	}
	own := readRival(path)
	switch {
	case own.Damage != "":
		return Step{"list", Fail, fmt.Sprintf("%s is damaged: %s: the runtime takes no network", path, own.Damage), installRemedy}
	case len(rivals) > 0:
		return Step{"list", Warn, rivals[0].String(), ""}
	case string(text) != string(list(c.RunDir)):
		return Step{"list", Warn, path + " is not as weft writes it", installRemedy}
	}
	return Step{"list", OK, path + " is the first network there", ""}
}

func (c *Chain) lease() Step {
	l, err := lease.Read(c.RunDir)
	if err != nil {
		return Step{"lease", Fail, inOneLine(err), "weft status"}
	}
	return Step{"lease", OK, fmt.Sprintf("%s: pods get addresses of %v", lease.Path(c.RunDir), l.Subnets), ""}
}

// daemon is asked how it is. Pods start without it where the node has a lease.
func (c *Chain) daemon(ctx context.Context, leased bool) Step {
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	says, err := c.Daemon(ctx)
	switch {
	case err != nil && leased:
		return Step{"daemon", Warn, inOneLine(err) + "; pods start all the same, by the lease", "systemctl status weft"}
	case err != nil:
		return Step{"daemon", Fail, inOneLine(err), "systemctl status weft"}
	}
	return Step{"daemon", OK, says, ""}
}

// Reason is the step that keeps pods from starting; nil if they start. Nothing is installed before the node can start pods, so what the
// daemon waits for comes before what is not there yet.
func Reason(steps []Step) *Step {
	var reason *Step
	for i, s := range steps {
		if s.Finding == Fail && (reason == nil || s.Name == "lease" || s.Name == "daemon") {
			reason = &steps[i]
		}
	}
	return reason
}

func inOneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
