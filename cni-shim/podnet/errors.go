package podnet

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// What callers tell apart.
var (
	// ErrNoNamespace says that the pod's namespace is not there, or is none.
	ErrNoNamespace = errors.New("no such network namespace")

	// ErrInterfaceExists says that the pod has an interface of the wanted name already.
	ErrInterfaceExists = errors.New("the pod has an interface of that name already")

	// ErrOwnNamespace says that the pod's namespace is that of the host.
	ErrOwnNamespace = errors.New("it is the network namespace of the host")
)

// KindError says that an interface that weft needs the name of is something else.
type KindError struct {
	Name, Kind string // as ip(8) calls it: "dummy", "veth"
}

// Error is one line, with the remedy.
func (e *KindError) Error() string {
	return fmt.Sprintf("podnet: interface %s is a %s and no bridge: remove it (ip link delete %s), or set another bridge", e.Name, e.Kind, e.Name)
}

// ForeignError says that the bridge that weft needs the name of was made by somebody else: Docker or podman, where a network of theirs is
// in the overlay.
type ForeignError struct {
	Name string
}

// Error is one line, with the remedy.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("podnet: bridge %s is not weft's: another program made it (Docker or podman?): remove it there, or set another bridge", e.Name)
}

// GatewayError says that a bridge cannot have an address because another interface has it, with its subnet.
type GatewayError struct {
	Name, Other string
	Address     netip.Prefix
}

// Error is one line, with the remedy.
func (e *GatewayError) Error() string {
	return fmt.Sprintf("podnet: bridge %s cannot have %s: %s has it, and the host reaches the pods of a subnet by one interface: "+
		"set bridge %s, or remove that once no pod is on it (ip link delete %s)", e.Name, e.Address, e.Other, e.Other, e.Other)
}

// BrokenError lists what Check found.
type BrokenError struct {
	Faults []string // each names what is broken, and how it is meant to be
}

// Error is one line.
func (e *BrokenError) Error() string { return strings.Join(e.Faults, "; ") }

func explain(operation string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("podnet: %s: %w (it takes root, or CAP_NET_ADMIN)", operation, err)
	}
	return fmt.Errorf("podnet: %s: %w", operation, err)
}
