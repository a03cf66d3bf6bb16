// Command weft-cni is the CNI plugin of weft: container runtimes start it to give pods their network.
package main

import (
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/containernetworking/cni/pkg/skel"
	cniversion "github.com/containernetworking/cni/pkg/version"

	cnishim "github.com/weftnet/weft/cni-shim"
)

// version is set by the build: -ldflags "-X main.version=v1.2.3".
var version string

func main() {
	runtime.GOMAXPROCS(1)          // nothing here runs in parallel: more would only wake threads, while the runtime makes other pods on the same CPUs
	signal.Ignore(syscall.SIGPIPE) // a runtime that is gone is an error of writing the result, after which ADD undoes what it did
	skel.PluginMainFuncs(cnishim.Funcs(), cniversion.PluginSupports("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"),
		"weft-cni "+build()+": the CNI plugin of weft; container runtimes start it to give pods their network")
}

func build() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
