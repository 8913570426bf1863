//! One side of a graph, so that what is done to both sides is written once.

use crate::graph::Biadjacency;

/// The left or the right nodes of a graph, with their neighbours on the other side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Half<'g> {
    graph: &'g Biadjacency,
    left: bool,
}

impl<'g> Half<'g> {
    pub(super) fn left(graph: &'g Biadjacency) -> Self {
        Self { graph, left: true }
    }

    pub(super) fn right(graph: &'g Biadjacency) -> Self {
        Self { graph, left: false }
    }

    pub(super) fn is_left(self) -> bool {
        self.left
    }

    /// The other side.
    pub(super) fn other(self) -> Self {
        Self { left: !self.left, ..self }
    }

    /// Number of a node among all nodes, left ones first.
    pub(super) fn number(self, node: usize) -> usize {
        if self.left { node } else { self.graph.left() + node }
    }

    pub(super) fn nodes(self) -> usize {
        if self.left { self.graph.left() } else { self.graph.right() }
    }

    /// The nodes of the other side next to a node, ascending.
    pub(super) fn neighbours(self, node: usize) -> &'g [u32] {
        if self.left { self.graph.of_left(node) } else { self.graph.of_right(node) }
    }

    pub(super) fn degree(self, node: usize) -> usize {
        self.neighbours(node).len()
    }

    pub(super) fn degrees(self) -> Vec<usize> {
        if self.left { self.graph.left_degrees() } else { self.graph.right_degrees() }
    }
}
