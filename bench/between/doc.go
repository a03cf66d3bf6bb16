// Package between measures the way between two real machines that run weft: 'weft bench --serve' on one of them and 'weft
// bench --between' on the other. No iperf3 is needed there; the traffic is package load's.
//
// Words. The server takes and answers traffic, the client makes it and reports. The control connection is the TCP
// connection of one client to one server; over it the client asks for jobs (load.Job). A path is one way to the server's
// machine: overlay, underlay, or direct, where no daemon is asked. A run is what one client does on one control connection.
//
// Wire. Each side begins with a preface: 4 bytes magic and 1 byte version, so that the version is known before anything else
// is read. Then come frames: 4 bytes length (big endian) and as many bytes of CBOR (RFC 8949) with integer keys, at most
// maxFrame. The client says hello, the server answers with a welcome, which may be a refusal; then each request has one
// reply with the same number. A reply numbered 0 is the server's last word: why it ends the run.
//
// Trust. The control connection is taken from the own overlay addresses of peers that the local daemon holds a path to, which
// weft authenticates, and from the prefixes that the operator allowed; what is behind a peer, such as its pods, is allowed by a
// prefix only. The port is open on all addresses, but others are reset at once, before anything is read.
// The ports of a job are for one client: they take what carries the job's token, which is random and travels over the control
// connection only, and comes from an overlay address of that peer or from the underlay address at which the daemon reaches it;
// of a peer without such an address, from the first that shows the token; of a client that is no peer, from the address of its
// control connection. Connections of others are reset at once, their datagrams dropped. No datagram is answered that says it
// comes from the job's own port.
//
// Ownership. A server has one goroutine for each connection that is being admitted or measured, and at most one run. All of
// a run's jobs belong to its goroutine and end with it, however the client ends.
//
// Always. Every wait has a bound. A path that cannot be measured is shown with the reason and never as a figure.
package between
