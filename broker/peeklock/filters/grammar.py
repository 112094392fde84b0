"""The grammars, for lark (LALR). Terminals in capitals; rules are methods of the builder.

Keywords are terminals of their own: the lexer takes a name that equals one for the keyword,
wherever it stands, so that reserved words stay reserved. Lengths of numbers and the like are
not the grammar's business but the builder's, which can say what is wrong with them.
"""

from typing import Final

# What all SQL dialects have. A dialect adds the rules `special` (predicates of its own) and
# `named` (properties, and what else has a name), and the terminals that differ.
SQL_SHARED: Final = r"""
?condition: both
    | condition OR both                               -> either
?both: negation
    | both AND negation                               -> both
?negation: predicate
    | NOT negation                                    -> negation
?predicate: sum
    | sum (EQUALS | COMPARE) sum                      -> comparison
    | sum IS NOT? NULL                                -> is_null
    | sum NOT? LIKE sum (ESCAPE sum)?                 -> like
    | sum NOT? IN "(" sum ("," sum)* ")"              -> one_of
    | special
?sum: product
    | sum (PLUS | MINUS) product                      -> arithmetic
?product: signed
    | product TIMES signed                            -> arithmetic
?signed: atom
    | (PLUS | MINUS) signed                           -> sign
?atom: named
    | INTEGER                                         -> integer
    | DECIMAL                                         -> decimal
    | STRING                                          -> string
    | (TRUE | FALSE | NULL)                           -> constant
    | "(" condition ")"

AND: "AND"i
ESCAPE: "ESCAPE"i
FALSE: "FALSE"i
IN: "IN"i
IS: "IS"i
LIKE: "LIKE"i
NOT: "NOT"i
NULL: "NULL"i
OR: "OR"i
TRUE: "TRUE"i

EQUALS: "="
PLUS: "+"
MINUS: "-"
STRING: /'(?:[^']|'')*'/
%ignore /\s+/
"""

# Service Bus: a regular identifier starts with a letter; others are [delimited] or "quoted".
SQL_RULES: Final = r"""
?special: EXISTS "(" property ")"                     -> exists
?named: property
    | NAME "(" (sum ("," sum)*)? ")"                  -> call
    | PARAMETER                                       -> parameter
property: (NAME | DELIMITED | QUOTED) ("." (NAME | DELIMITED | QUOTED))?

EXISTS: "EXISTS"i
COMPARE: "<=" | ">=" | "<>" | "!=" | "<" | ">"
TIMES: "*" | "/" | "%"
INTEGER: /0x[0-9a-f]+|[0-9]+/i
DECIMAL.2: /(?=[0-9.]*[.e])([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?/i
NAME: /[^\W\d_]\w*/i
DELIMITED: /\[(?:[^\]]|\]\])*\]/
QUOTED: /"(?:[^"]|"")*"/
PARAMETER: /@[^\W\d]\w*/
"""

SQL_GRAMMAR: Final = "?start: condition\n" + SQL_SHARED + SQL_RULES

# JMS 2.0 §3.8.1: names and numbers are as Java writes them. "Quoted" names are ours, for the
# application properties of AMQP that have no Java name, such as "cloudEvents:type".
JMS_GRAMMAR: Final = (
    r"""
?start: condition
?special: sum NOT? BETWEEN sum AND sum                -> between
?named: property
property: NAME | QUOTED

BETWEEN: "BETWEEN"i
COMPARE: "<=" | ">=" | "<>" | "<" | ">"
TIMES: "*" | "/"
INTEGER: /(0x[0-9a-f]+|[0-9]+)l?/i
DECIMAL.2: /(?=[0-9.]*[.edf])([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?[df]?/i
NAME: /(?:[^\W\d]|\$)[\w$]*/i
QUOTED: /"(?:[^"]|"")*"/
"""
    + SQL_SHARED
)

SQL_ACTION_GRAMMAR: Final = (
    r"""
start: _statement+                                    -> statements
_statement: (assignment | removal) (";" | ",")*
assignment: SET property EQUALS sum
removal: REMOVE property

SET: "SET"i
REMOVE: "REMOVE"i
"""
    + SQL_SHARED
    + SQL_RULES
)

# CloudEvents SQL 1.0.0: AND, OR and XOR bind alike, NOT binds closest (§3.6). A sign is no part
# of an integer here, so that 1-2 is a difference; the builder puts it into the literal.
CESQL_GRAMMAR: Final = r"""
?start: logic
?logic: compared
    | logic AND compared                              -> both
    | logic OR compared                               -> either
    | logic XOR compared                              -> exclusive
?compared: sum
    | compared (EQUALS | COMPARE) sum                 -> comparison
?sum: product
    | sum (PLUS | MINUS) product                      -> arithmetic
?product: tested
    | product TIMES tested                            -> arithmetic
?tested: signed
    | tested NOT? LIKE string                         -> like
    | tested NOT? IN "(" logic ("," logic)* ")"       -> one_of
?signed: atom
    | NOT signed                                      -> negation
    | MINUS signed                                    -> sign
    | PLUS integer                                    -> sign
?atom: property
    | NAME "(" (logic ("," logic)*)? ")"              -> call
    | EXISTS property                                 -> exists
    | integer
    | string
    | (TRUE | FALSE)                                  -> constant
    | "(" logic ")"
property: NAME
integer: INTEGER
string: STRING

AND: "AND"i
EXISTS: "EXISTS"i
FALSE: "FALSE"i
IN: "IN"i
LIKE: "LIKE"i
NOT: "NOT"i
OR: "OR"i
TRUE: "TRUE"i
XOR: "XOR"i

EQUALS: "="
COMPARE: "<=" | ">=" | "<>" | "!=" | "<" | ">"
PLUS: "+"
MINUS: "-"
TIMES: "*" | "/" | "%"
INTEGER.2: /[0-9]+(?![a-z0-9_])/i
NAME: /[a-z0-9_]+/i
STRING: /'(?:\\.|''|[^'\\])*'|"(?:\\.|""|[^"\\])*"/s
%ignore /\s+/
"""
