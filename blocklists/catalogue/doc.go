// Package catalogue is what Treehouse knows before it has fetched anything: the
// categories and services a family can decide about with their core names, the
// hosts that have a safe twin, the lifeline, the sites of allow-list mode, and
// the names no category may take. It is written by us, embedded in the binary
// as text that a person can read and mend, and has a Version.
//
// The files in text/ hold the facts; parse.go explains their five kinds of
// line. A call reads the text again, in a few milliseconds on a router, and that
// happens only when lists are compiled.
//
// An Edition is one such catalogue. Others than the BuiltIn one stand over it:
// they replace services, groups and names, and cannot take away the lifeline, the
// protected names, or a topic that a rule may name. Check holds them to what the
// tests here hold the built-in one to.
//
// Other sources fill the same topics: UT1 and V2fly say which topic a file of
// those projects belongs to.
package catalogue

// Version is the edition of the embedded data. It changes whenever a name or a
// topic does, so a router knows when to compile again.
const Version = "2026.11.3"
