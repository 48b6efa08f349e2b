//go:build tiny

package web

// The tiny build has what a child needs: My internet with asking, tickets and
// "can I open this", the pages that explain a block, and help lines. Parents use
// the command line. What only a true constant would lead to, the linker drops.
const parentsPages = false
