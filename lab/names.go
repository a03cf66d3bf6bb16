package lab

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
)

// namespacePrefix begins the name of every namespace that a lab makes.
const namespacePrefix = "weft-"

// switchName is the name of the namespace with the underlay bridge; no host can have it.
const switchName = "switch"

var (
	// An id has no hyphen, so that the namespaces of one run never match the prefix of another's.
	validID   = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
	validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)
)

// randomID is the id of a lab whose maker gave none.
func randomID() string {
	raw := make([]byte, 4)
	rand.Read(raw) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(raw)
}

func checkID(id string) error {
	if !validID.MatchString(id) {
		return fmt.Errorf("lab: id %q: want 1 to 16 of a-z and 0-9", id)
	}
	return nil
}

func checkName(kind, name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("lab: %s name %q: want 1 to 32 of a-z, 0-9 and inner hyphens", kind, name)
	}
	return nil
}

// namespaceName is the name under which `ip netns` shows the namespace of a host or pod.
func namespaceName(id, name string) string {
	return runPrefix(id) + name
}

// runPrefix begins the name of every namespace of one run, and of no other run.
func runPrefix(id string) string {
	return namespacePrefix + id + "-"
}
