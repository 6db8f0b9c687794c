// Package toolbox holds no code: its tests run other people's migration tools
// under migrator exec.
package toolbox
