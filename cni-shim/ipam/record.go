package ipam

import (
	"net/netip"
	"time"
)

// Key names an attachment: one interface of one container. No two held records have the same.
type Key struct {
	Container string `json:"container"` // as the runtime calls it (CNI_CONTAINERID)
	IfName    string `json:"ifname"`    // name inside the pod (CNI_IFNAME)
}

// String is CONTAINER/IFNAME.
func (k Key) String() string { return k.Container + "/" + k.IfName }

// Pod is what the orchestrator calls a pod; both empty: it did not say.
type Pod struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
}

// String is NAMESPACE/NAME, or "" where the pod is not known.
func (p Pod) String() string {
	if p == (Pod{}) {
		return ""
	}
	return p.Namespace + "/" + p.Name
}

// State is what a record stands for.
type State string

const (
	Held     State = "held"     // the attachment has the addresses
	Released State = "released" // nobody has them, and nobody gets them for Quarantine
)

// Record says which addresses an attachment has, or had.
type Record struct {
	Key
	Network   string       `json:"network"` // name of the CNI network
	Pod       Pod          `json:"pod,omitzero"`
	NetNS     string       `json:"netns,omitempty"`    // path of the pod's network namespace
	HostEnd   string       `json:"host_end,omitempty"` // name of the interface in the host's namespace
	Addresses []netip.Addr `json:"addresses"`          // IPv4 first
	BootID    string       `json:"boot_id"`            // of the boot in which it was made
	State     State        `json:"state"`
	Since     time.Time    `json:"since"`     // when it came into State, by the wall clock: for people
	Uptime    int64        `json:"uptime_ms"` // the same, in milliseconds since the boot BootID: what Quarantine goes by
}

// Holder is who has the record, for people: the pod where it is known, else the container.
func (r *Record) Holder() string {
	if pod := r.Pod.String(); pod != "" {
		return pod
	}
	return "container " + r.Container
}
