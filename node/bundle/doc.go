// Package bundle collects what a maintainer needs to know of a host and its weft into one archive, for 'weft report'.
//
// Words. An item is one file of the archive. A source gets an item: from the daemon, from a program, or from /proc.
//
// Always. No key is in the archive: what is known of the cluster secret, of the node's key and of what is derived from them is
// taken out of every item in all its forms (bytes, hexadecimal, base64), and so is every token. What could not be had is
// listed with the reason. Items and archive are bounded, each source has a time limit, and no shell is run.
package bundle
