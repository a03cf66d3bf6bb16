package cnishim

import "github.com/containernetworking/cni/pkg/skel"

// nodeStatus says whether an ADD would find what it needs: the lease, and an address book that can be read. It asks the kernel for nothing,
// so that it takes as long with many pods as with none.
func nodeStatus(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	l, err := leased(c.RunDir, codeNotReady, statusPatience)
	if err != nil {
		return err
	}
	book, err := openBook(c, l)
	if err != nil {
		return err
	}
	if _, err := book.Records(); err != nil {
		return fail(codeNotReady, "%v", err)
	}
	return nil
}
