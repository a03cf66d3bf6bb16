// Package firewall is what weft asks of the host's packet filter and of its switches for forwarding: one table of its own
// that masquerades, a way through the chains of others that would drop what is forwarded, and the sysctls without which the
// kernel forwards nothing. All of it through netlink and /proc/sys; no program is run.
//
// Words. A packet leaves the overlay when its source lies inside and its destination outside; it enters when it goes into
// weft's device with a source outside. A foreign chain is a base chain at the forward hook in somebody else's table; it is
// an obstacle when it may drop what the overlay forwards. Our rules carry a tag in their user data, which is a digest of
// what the rule says and the name of the device: by it a rule is known to be ours and as wanted, however this kernel writes
// its expressions back. In foreign chains the comment tells it, too, where a ruleset was saved as text and the tag got
// lost. The generation is the number that the kernel raises with every change of the ruleset.
//
// Ownership. Set belongs to one goroutine at a time. Rules and Forwarding work in the network namespace of the thread that
// calls them; so does Watch.
//
// Always. Set is idempotent, adopts what an earlier run left, and changes nothing but the table named after the device,
// rules with the device's tag, and the sysctls that it writes down first. A packet whose source and destination both lie in
// the overlay is never rewritten, nor is multicast, nor what kube-proxy has marked to be masqueraded. An obstacle is opened
// by rules at its front; its other rules stay as they are.
package firewall
