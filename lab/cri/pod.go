package cri

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
)

// PodConfig says what kind of pod to make.
type PodConfig struct {
	Name     string   // its hostname too
	Command  []string // of the container; empty: the sandbox alone
	HostPort uint16   // of the host, led to port PodPort of the pod; 0: none
}

// PodPort is the TCP port to which HostPort leads.
const PodPort = 8080

// Pod is a pod that runs.
type Pod struct {
	ID    string
	Name  string
	Addrs []netip.Addr // of each family that it has, the first one first

	runtime *Runtime
	space   string // the file of its network namespace, on the machine
}

// spacesDir is where containerd keeps the network namespaces of its pods, on the machine.
const spacesDir = "/run/netns"

// metadata names a sandbox or a container.
type metadata struct {
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// sandboxConfig is what is used here of runtime.v1.PodSandboxConfig.
type sandboxConfig struct {
	Metadata     metadata          `json:"metadata"`
	Hostname     string            `json:"hostname"`
	LogDirectory string            `json:"log_directory"`
	PortMappings []portMapping     `json:"port_mappings,omitempty"`
	Linux        map[string]string `json:"linux"`
}

type portMapping struct {
	ContainerPort uint16 `json:"container_port"`
	HostPort      uint16 `json:"host_port"`
}

// containerConfig is what is used here of runtime.v1.ContainerConfig.
type containerConfig struct {
	Metadata metadata          `json:"metadata"`
	Image    map[string]string `json:"image"`
	Command  []string          `json:"command"`
	LogPath  string            `json:"log_path"`
	Linux    struct{}          `json:"linux"`
}

// RunPod makes a pod, starts its container, and returns when that has been started. A pod that could not be made is not left.
func (r *Runtime) RunPod(ctx context.Context, config PodConfig) (*Pod, error) {
	dir := path.Join("/run/pods", config.Name)
	sandbox, err := r.describe(dir, config)
	if err != nil {
		return nil, err
	}
	p := &Pod{Name: config.Name, runtime: r}
	if p.ID, err = r.Ask(ctx, "runp", sandbox); err != nil {
		return nil, err
	}
	if err := p.start(ctx, dir, config); err != nil {
		return nil, errors.Join(err, p.Remove(ctx))
	}
	return p, nil
}

// describe writes the files that crictl reads into a directory of the machine, and returns the sandbox's.
func (r *Runtime) describe(dir string, config PodConfig) (sandbox string, err error) {
	s := sandboxConfig{
		Metadata: metadata{Name: config.Name, UID: config.Name, Namespace: "default"}, Hostname: config.Name,
		LogDirectory: path.Join("/var/log/pods", config.Name), Linux: map[string]string{"cgroup_parent": "/" + r.Group()},
	}
	if config.HostPort > 0 {
		s.PortMappings = []portMapping{{PodPort, config.HostPort}}
	}
	c := containerConfig{
		Metadata: metadata{Name: config.Name}, Image: map[string]string{"image": Image}, Command: config.Command, LogPath: "0.log",
	}
	sandbox = path.Join(dir, "sandbox.json")
	return sandbox, errors.Join(r.writeJSON(sandbox, s), r.writeJSON(path.Join(dir, "container.json"), c))
}

func (r *Runtime) writeJSON(file string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return r.WriteFile(file, raw, 0o644)
}

// start reads what the sandbox has, and starts the container.
func (p *Pod) start(ctx context.Context, dir string, config PodConfig) error {
	if err := p.inspect(ctx); err != nil || len(config.Command) == 0 {
		return err
	}
	container, err := p.runtime.Ask(ctx, "create", p.ID, path.Join(dir, "container.json"), path.Join(dir, "sandbox.json"))
	if err != nil {
		return err
	}
	_, err = p.runtime.Ask(ctx, "start", container)
	return err
}

// sandboxStatus is what is read here of what containerd says of a sandbox.
type sandboxStatus struct {
	Status struct {
		Network struct {
			IP            netip.Addr                `json:"ip"`
			AdditionalIPs []struct{ IP netip.Addr } `json:"additionalIps"`
		} `json:"network"`
	} `json:"status"`
	Info struct {
		RuntimeSpec struct {
			Linux struct {
				Namespaces []struct{ Type, Path string } `json:"namespaces"`
			} `json:"linux"`
		} `json:"runtimeSpec"`
	} `json:"info"`
}

// inspect asks for the pod's addresses and its network namespace.
func (p *Pod) inspect(ctx context.Context) error {
	text, err := p.runtime.Ask(ctx, "inspectp", "--output", "json", p.ID)
	if err != nil {
		return err
	}
	var s sandboxStatus
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("cri: inspect pod %s: %w", p.Name, err)
	}
	p.Addrs = []netip.Addr{s.Status.Network.IP}
	for _, more := range s.Status.Network.AdditionalIPs {
		p.Addrs = append(p.Addrs, more.IP)
	}
	for _, space := range s.Info.RuntimeSpec.Linux.Namespaces {
		if space.Type == "network" {
			p.space = path.Join(spacesDir, path.Base(space.Path)) // it says /var/run, which is a link
			return nil
		}
	}
	return fmt.Errorf("cri: inspect pod %s: no network namespace: %s", p.Name, text)
}

// Addr4 is the pod's IPv4 address; invalid when it has none.
func (p *Pod) Addr4() netip.Addr { return p.first(netip.Addr.Is4) }

// Addr6 is the pod's IPv6 address; invalid when it has none.
func (p *Pod) Addr6() netip.Addr { return p.first(netip.Addr.Is6) }

func (p *Pod) first(is func(netip.Addr) bool) netip.Addr {
	if i := slices.IndexFunc(p.Addrs, is); i >= 0 {
		return p.Addrs[i]
	}
	return netip.Addr{}
}

// Do calls fn inside the pod's network namespace; see Inside.
func (p *Pod) Do(fn func() error) error { return Inside(p.runtime.Path(p.space), fn) }

// Space is the file of the pod's network namespace, on the machine.
func (p *Pod) Space() string { return p.space }

// Runtime is where the pod is.
func (p *Pod) Runtime() *Runtime { return p.runtime }

// Remove ends the pod and removes it, by force as 'crictl rmp' does it.
func (p *Pod) Remove(ctx context.Context) error {
	_, err := p.runtime.Ask(ctx, "rmp", "--force", p.ID)
	return err
}
