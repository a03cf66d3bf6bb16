package between

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// thisHost says what the figures of a machine depend on most: "Linux 6.18.5, amd64, 2 cores".
func thisHost() string {
	kernel := runtime.GOOS
	var name unix.Utsname
	if unix.Uname(&name) == nil { // fails only for a bad pointer
		kernel = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
	}
	return fmt.Sprintf("%s, %s, %s", kernel, runtime.GOARCH, count(runtime.NumCPU(), "core"))
}
