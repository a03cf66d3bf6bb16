package encap

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// kernelVersion is a kernel's release: version, patch level and sublevel.
type kernelVersion [3]int

// runningKernel is the version of this machine's kernel. An unknown one is older than all.
func runningKernel() kernelVersion {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return kernelVersion{}
	}
	return parseKernel(unix.ByteSliceToString(u.Release[:]))
}

// parseKernel reads what uname calls the release, like "6.18.44-generic" or "7.1-rc5".
func parseKernel(release string) (v kernelVersion) {
	if n, _ := fmt.Sscanf(release, "%d.%d.%d", &v[0], &v[1], &v[2]); n < 2 {
		return kernelVersion{}
	}
	return v
}

// since reports whether v is that version or a later one.
func (v kernelVersion) since(other kernelVersion) bool { return slices.Compare(v[:], other[:]) >= 0 }
