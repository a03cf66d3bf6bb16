// Command flood measures what a flood of handshakes costs a node, and how much of the traffic that it carries is kept meanwhile.
//
// On a lab of its own, node a sends TCP to node b through weft, sealed, at a bounded rate; while every other window runs, frames that
// begin handshakes come to b's port from a third host: most are valid as far as b can tell without work on curves, the others random
// behind the head. Windows with and without the flood take turns (A B A B), and what a flood costs is taken against the windows
// beside it.
//
// The generator, both routers and both ends of the transfer share the machine's CPUs: what is kept of the traffic is a lower bound
// of what two machines would show. The CPU time of b's router is counted by the kernel for its threads alone (sum of schedstat).
//
//	sudo go run ./bench/flood --binary bin/weft
package main
