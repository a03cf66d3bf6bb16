package lab

import "fmt"

// LimitGSO makes TCP in the pod send superpackets of at most that many bytes, headers included: gso_max_size and
// gso_ipv4_max_size (Linux 6.3) of the pod's own interface. The default of the kernel is 65536. The host's end is left as it
// is: it would cut larger superpackets for the pod into packets of the MTU.
func (p *Pod) LimitGSO(bytes int) error {
	p.lab.mu.Lock()
	defer p.lab.mu.Unlock()
	if err := p.lab.open("limit GSO of " + p.name); err != nil {
		return err
	}
	link, err := p.link(podInterface)
	if err != nil {
		return err
	}
	if err := p.links.LinkSetGSOMaxSize(link, bytes); err != nil {
		return fmt.Errorf("lab: set gso_max_size of %s in %s to %d: %w", podInterface, p.name, bytes, err)
	}
	if err := p.links.LinkSetGSOIPv4MaxSize(link, bytes); err != nil {
		return fmt.Errorf("lab: set gso_ipv4_max_size of %s in %s to %d: %w", podInterface, p.name, bytes, err)
	}
	return nil
}
