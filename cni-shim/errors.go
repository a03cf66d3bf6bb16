package cnishim

import (
	"errors"
	"fmt"
	"strings"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/weftnet/weft/cni-shim/ipam"
	"github.com/weftnet/weft/cni-shim/podnet"
)

// Codes of the specification (SPEC.md, Error), and our own.
const (
	codeEnvironment uint = 4
	codeIO          uint = 5
	codeDecode      uint = 6
	codeConfig      uint = 7
	codeNamespace   uint = 8 // as libcni has it
	codeLater       uint = 11
	codeNotReady    uint = 50

	codeKernel uint = 100 // the kernel refused something
	codeBroken uint = 101 // CHECK found something broken
	codeHeld   uint = 102 // the attachment has other addresses than it asks for
)

// fail makes an error of one sentence.
func fail(code uint, format string, args ...any) error {
	return &types.Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}

// coded gives an error of the rooms below its code. One that has a code keeps it.
func coded(err error) error {
	if err == nil || errors.As(err, new(*types.Error)) {
		return err
	}
	return &types.Error{Code: code(err), Msg: strings.ReplaceAll(err.Error(), "\n", "; ")} // of several errors one line each
}

func code(err error) uint {
	switch {
	case errors.As(err, new(*ipam.ExhaustedError)), errors.As(err, new(*ipam.BusyError)), errors.As(err, new(*ipam.TakenError)):
		return codeLater
	case errors.As(err, new(*ipam.OutsideError)), errors.As(err, new(*podnet.KindError)), errors.As(err, new(*podnet.ForeignError)),
		errors.As(err, new(*podnet.GatewayError)):
		return codeConfig
	case errors.As(err, new(*ipam.HeldError)):
		return codeHeld
	case errors.As(err, new(*ipam.DamagedError)):
		return codeDecode
	case errors.As(err, new(*podnet.BrokenError)):
		return codeBroken
	}
	return codeKernel
}

// booked gives an error of the address book its code: what has none of its own is the file system's.
func booked(err error) error {
	if err != nil && code(err) == codeKernel {
		return fail(codeIO, "%v", err)
	}
	return coded(err)
}

// placed names the environment variable that an error of a pod's namespace is about.
func placed(err error, netns, ifname string) error {
	switch {
	case errors.Is(err, podnet.ErrNoNamespace):
		return fail(codeEnvironment, "CNI_NETNS: there is no network namespace at %q: the pod is gone, or the path is not that of one", netns)
	case errors.Is(err, podnet.ErrOwnNamespace):
		return fail(codeNamespace, "CNI_NETNS: %q is the network namespace of the host itself: a pod needs one of its own", netns)
	case errors.Is(err, podnet.ErrInterfaceExists):
		return fail(codeEnvironment, "CNI_IFNAME: the pod has an interface %q already: DEL of it comes first", ifname)
	}
	return coded(err)
}
