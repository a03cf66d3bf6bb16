// Package version says which weft this is.
package version

import (
	"runtime"
	"runtime/debug"

	"github.com/weftnet/weft/encap"
)

// version is set by the build: -ldflags "-X github.com/weftnet/weft/node/version.version=v1.2.3".
var version string

// Info is the build's version and what it speaks.
type Info struct {
	Version  string `json:"version"`
	WireMin  int    `json:"wire_min"`
	WireMax  int    `json:"wire_max"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Get returns the version of this build.
func Get() Info {
	return Info{
		Version: name(), WireMin: encap.Version, WireMax: encap.Version,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}

func name() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
