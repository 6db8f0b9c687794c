package main

import (
	"cmp"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

// A Module is what the checks read of a module: its packages without tests.
type Module struct {
	Path     string
	Packages []*Package // sorted by path
}

// A Package is one package. Paths and file names are relative to the module's root.
type Package struct {
	Path    string
	Doc     string
	Files   []File
	Imports []Import
	Uses    []Use
	Linked  map[string]string // package that is linked -> the one that imports it, a step nearer to this one
}

// A File is a Go file, on any platform.
type File struct {
	Name  string
	Lines int
}

// An Import is an import declaration. The path of a package of this module is relative to the module's root.
type Import struct {
	Path  string
	Local bool // a package of this module
	File  string
	Line  int
}

// A Use is a file's first use of an identifier that another file of the package declares. A method is declared by the file that has
// it, not by the file of its type; so a file with a method also uses the file of the type.
type Use struct {
	From, To   string // file names
	Identifier string
	Line       int
}

// Lines returns the lines of all files.
func (p *Package) Lines() int {
	total := 0
	for _, file := range p.Files {
		total += file.Lines
	}
	return total
}

// importOf returns where a package imports another one.
func (m *Module) importOf(importer, path string) (file string, line int, ok bool) {
	for _, pkg := range m.Packages {
		for _, imported := range pkg.Imports {
			if pkg.Path == importer && imported.Path == path {
				return imported.File, imported.Line, true
			}
		}
	}
	return "", 0, false
}

// Load reads the packages of the module in a folder.
func Load(folder string) (*Module, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	loaded, err := packages.Load(&packages.Config{
		Dir: folder,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedModule | packages.NeedImports |
			packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo,
	}, "./...")
	if err != nil {
		return nil, err
	}
	module := &Module{}
	for _, pkg := range loaded {
		if len(pkg.Errors) > 0 {
			return nil, pkg.Errors[0]
		}
		if len(pkg.GoFiles) == 0 {
			continue // tests only
		}
		module.Path = pkg.Module.Path
		read, err := readPackage(folder, pkg)
		if err != nil {
			return nil, err
		}
		module.Packages = append(module.Packages, read)
	}
	if err := addLinked(folder, module); err != nil {
		return nil, err
	}
	slices.SortFunc(module.Packages, func(a, b *Package) int { return cmp.Compare(a.Path, b.Path) })
	return module, nil
}

func readPackage(folder string, pkg *packages.Package) (*Package, error) {
	read := &Package{Path: relative(pkg.PkgPath, pkg.Module.Path)}
	for _, name := range slices.Concat(pkg.GoFiles, pkg.IgnoredFiles) {
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		short, err := filepath.Rel(folder, name)
		if err != nil {
			return nil, err
		}
		read.Files = append(read.Files, File{Name: short, Lines: strings.Count(string(content), "\n")})
	}
	for _, file := range pkg.Syntax {
		if doc := file.Doc.Text(); doc != "" {
			read.Doc = doc
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil, err
			}
			name, line := position(folder, pkg.Fset, spec.Pos())
			local := isWithin(path, pkg.Module.Path)
			read.Imports = append(read.Imports, Import{Path: relative(path, pkg.Module.Path), Local: local, File: name, Line: line})
		}
	}
	read.Uses = uses(folder, pkg)
	return read, nil
}

// uses returns the first use of each identifier by each file, sorted by files, then by line.
func uses(folder string, pkg *packages.Package) []Use {
	type key struct {
		from     string
		declared token.Pos
	}
	first := map[key]Use{}
	for identifier, object := range pkg.TypesInfo.Uses {
		if object.Pkg() != pkg.Types || !object.Pos().IsValid() {
			continue
		}
		from, line := position(folder, pkg.Fset, identifier.Pos())
		to, _ := position(folder, pkg.Fset, object.Pos())
		if from == to || filepath.Ext(from) != ".go" || filepath.Ext(to) != ".go" {
			continue
		}
		k := key{from, object.Pos()}
		if known, ok := first[k]; !ok || line < known.Line {
			first[k] = Use{From: from, To: to, Identifier: fullName(object, identifier), Line: line}
		}
	}
	var sorted []Use
	for _, use := range first {
		sorted = append(sorted, use)
	}
	slices.SortFunc(sorted, func(a, b Use) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Identifier, b.Identifier))
	})
	return sorted
}

// fullName returns Type.Method for a method, and the name for everything else.
func fullName(object types.Object, identifier *ast.Ident) string {
	function, ok := object.(*types.Func)
	if !ok || function.Signature().Recv() == nil {
		return identifier.Name
	}
	receiver := function.Signature().Recv().Type()
	if pointer, ok := receiver.(*types.Pointer); ok {
		receiver = pointer.Elem()
	}
	if named, ok := receiver.(*types.Named); ok {
		return named.Obj().Name() + "." + identifier.Name
	}
	return identifier.Name
}

// addLinked reads, for each program, what it links. A second call, because type information of all of it would take minutes.
func addLinked(folder string, module *Module) error {
	byPath := map[string]*Package{}
	for _, pkg := range module.Packages {
		byPath[pkg.Path] = pkg
	}
	programs, err := packages.Load(&packages.Config{Dir: folder, Mode: packages.NeedName | packages.NeedModule | packages.NeedImports | packages.NeedDeps}, "./cmd/...")
	if err != nil {
		return err
	}
	for _, program := range programs {
		pkg := byPath[relative(program.PkgPath, module.Path)]
		if pkg == nil {
			continue
		}
		pkg.Linked = map[string]string{}
		for next := []*packages.Package{program}; len(next) > 0; next = next[1:] {
			for path, imported := range next[0].Imports {
				if _, known := pkg.Linked[path]; !known {
					pkg.Linked[path] = next[0].PkgPath
					next = append(next, imported)
				}
			}
		}
	}
	return nil
}

func position(folder string, files *token.FileSet, pos token.Pos) (name string, line int) {
	at := files.Position(pos)
	if short, err := filepath.Rel(folder, at.Filename); err == nil {
		return short, at.Line
	}
	return at.Filename, at.Line
}

func isWithin(path, parent string) bool { return path == parent || strings.HasPrefix(path, parent+"/") }

func relative(path, module string) string { return strings.TrimPrefix(path, module+"/") }
