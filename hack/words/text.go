package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

// A Segment is a part of a file that is read as one text: a comment, a string, a name.
type Segment struct {
	Text string
	// Line is the line of the file that the text begins at.
	Line int
	// Name reports whether the text is an identifier, split into its words.
	Name bool
}

// segments returns the parts of a file that the check reads: the file's name, and of Go the comments, strings and declared
// identifiers, of any other file the whole text and, once more, the words of its identifiers.
func segments(file string, content []byte) ([]Segment, error) {
	base := filepath.Base(file)
	found := []Segment{{Text: splitName(strings.TrimSuffix(base, filepath.Ext(base))), Line: 1, Name: true}}
	if filepath.Ext(file) == ".go" {
		inside, err := goSegments(file, content)
		return append(found, inside...), err
	}
	return append(found, textSegments(file, string(content))...), nil
}

func goSegments(file string, content []byte) ([]Segment, error) {
	positions := token.NewFileSet()
	parsed, err := parser.ParseFile(positions, file, content, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var found []Segment
	for _, group := range parsed.Comments {
		start, end := positions.Position(group.Pos()), positions.Position(group.End())
		found = append(found, Segment{Text: withoutMarkers(string(content[start.Offset:end.Offset]), "//"), Line: start.Line})
	}
	name := func(id *ast.Ident) {
		if id != nil && id.Name != "_" {
			found = append(found, Segment{Text: splitName(id.Name), Line: positions.Position(id.Pos()).Line, Name: true})
		}
	}
	names := func(ids []*ast.Ident) {
		for _, id := range ids {
			name(id)
		}
	}
	expressions := func(list ...ast.Expr) {
		for _, expression := range list {
			if id, isIdent := expression.(*ast.Ident); isIdent {
				name(id)
			}
		}
	}
	name(parsed.Name)
	ast.Inspect(parsed, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.ImportSpec:
			name(node.Name)
			return false
		case *ast.FuncDecl:
			name(node.Name)
		case *ast.TypeSpec:
			name(node.Name)
		case *ast.ValueSpec:
			names(node.Names)
		case *ast.Field:
			names(node.Names)
		case *ast.LabeledStmt:
			name(node.Label)
		case *ast.AssignStmt:
			if node.Tok == token.DEFINE {
				expressions(node.Lhs...)
			}
		case *ast.RangeStmt:
			if node.Tok == token.DEFINE {
				expressions(node.Key, node.Value)
			}
		case *ast.BasicLit:
			if node.Kind == token.STRING {
				line := positions.Position(node.Pos()).Line
				found = append(found, Segment{Text: literal(node.Value), Line: line})
			}
		}
		return true
	})
	return found, nil
}

// literal returns the text of a string literal. A raw string keeps its lines; an escaped newline does not count as one.
func literal(source string) string {
	if strings.HasPrefix(source, "`") {
		return strings.Trim(source, "`")
	}
	text, err := strconv.Unquote(source)
	if err != nil {
		return source
	}
	return strings.ReplaceAll(text, "\n", " ")
}

// withoutMarkers replaces comment markers at the beginning of lines with blanks, so that an expression is found across lines.
func withoutMarkers(text, marker string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		trimmed := strings.TrimLeft(line, " \t")
		for strings.HasPrefix(trimmed, marker) {
			trimmed = strings.TrimPrefix(trimmed, marker)
		}
		lines[i] = strings.Repeat(" ", len(line)-len(trimmed)) + trimmed
	}
	return strings.Join(lines, "\n")
}

func textSegments(file, content string) []Segment {
	var found []Segment
	for i, line := range strings.Split(content, "\n") {
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if split := splitName(word); !strings.EqualFold(split, word) {
				found = append(found, Segment{Text: split, Line: i + 1, Name: true})
			}
		}
	}
	if filepath.Ext(file) != ".golden" {
		content = withoutMarkers(content, "#")
	}
	return append(found, Segment{Text: content, Line: 1})
}

// splitName returns the words of an identifier or a file name: "undoneBy", "undone_by" and "undone-by" are "undone By".
func splitName(name string) string {
	var out strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if r == '_' || r == '-' || r == '.' {
			out.WriteRune(' ')
			continue
		}
		startsWord := unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]) ||
			unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if startsWord {
			out.WriteRune(' ')
		}
		out.WriteRune(r)
	}
	return strings.Join(strings.Fields(out.String()), " ")
}
